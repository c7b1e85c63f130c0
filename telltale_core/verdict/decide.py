"""What becomes of each sample: one table from the facts of a proposal to decisions, and one rule to merge them.

Nothing here trains, tests or writes a sentence. The table is shown in the README beside this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from telltale_core.verdict.constants import DECISION
from telltale_core.verdict.proposal import Proof, Proposal
from telltale_core.verdict.record import SEVERITY, Decision

UNNAMED = "moves with the other samples of its cohort"
"""The reason of a sample of which nothing is said."""


class Strength(Enum):
    """How far a proposal stands out by its own figures; the value says it as a share of what is required."""

    BELOW = "below"
    NEARLY = f"{DECISION.nearly:g} to 1"
    ENOUGH = f"1 to {DECISION.clear:g}"
    CLEAR = f"{DECISION.clear:g} and more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that a decision hangs on. ``enough``: its suspected side has enough samples that are no copies."""

    significant: bool
    strength: Strength
    proof: Proof
    enough: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A line of the table: facts that it asks for (None: any), and the decisions on three kinds of rows.

    ``suspected``: on the suspected side; ``own_answer``: of these, what a proof gives its own label, where
    that is many; ``between``: rows between the sides.
    """

    because: str
    significant: bool | None = None
    strength: tuple[Strength, ...] | None = None
    proof: Proof | None = None
    enough: bool | None = None
    suspected: Decision
    own_answer: Decision
    between: Decision

    @property
    def called(self) -> bool:
        """Whether the proposal is called poison."""
        return self.suspected == "quarantine"

    @property
    def decisions(self) -> tuple[Decision, Decision, Decision]:
        """The decisions on the three kinds of rows."""
        return self.suspected, self.own_answer, self.between

    def fits(self, facts: Facts) -> bool:
        """Return whether the facts are those that it asks for."""
        return (
            self.significant in (None, facts.significant)
            and (self.strength is None or facts.strength in self.strength)
            and self.proof in (None, facts.proof)
            and self.enough in (None, facts.enough)
        )


_CALLABLE = (Strength.ENOUGH, Strength.CLEAR)
NOT_SIGNIFICANT = Rule(
    because="chance", significant=False,
    suspected="keep", own_answer="keep", between="keep",
)  # fmt: skip
REFUTED = Rule(
    because="not confirmed", strength=(Strength.ENOUGH,), proof=Proof.REFUTED,
    suspected="review", own_answer="review", between="keep",
)  # fmt: skip
MOSTLY_COPIES = Rule(
    because="mostly copies", strength=_CALLABLE, enough=False,
    suspected="review", own_answer="review", between="review",
)  # fmt: skip
CALLED = Rule(
    because="poison", strength=_CALLABLE,
    suspected="quarantine", own_answer="quarantine", between="review",
)  # fmt: skip
UNSHOWN = Rule(
    because="confirmed, but no trigger", proof=Proof.UNSHOWN,
    suspected="review", own_answer="review", between="keep",
)  # fmt: skip
CONFIRMED_COPIES = Rule(
    because="mostly copies, though confirmed", proof=Proof.CONFIRMED, enough=False,
    suspected="review", own_answer="review", between="review",
)  # fmt: skip
CONFIRMED = Rule(
    because="poison, by the proof", proof=Proof.CONFIRMED,
    suspected="quarantine", own_answer="review", between="review",
)  # fmt: skip
NEAR_MISS = Rule(
    because="a near miss", strength=(Strength.NEARLY,),
    suspected="review", own_answer="review", between="keep",
)  # fmt: skip
WEAK = Rule(
    because="an honest sub-mode",
    suspected="keep", own_answer="keep", between="keep",
)  # fmt: skip
TABLE = (NOT_SIGNIFICANT, REFUTED, MOSTLY_COPIES, CALLED, UNSHOWN, CONFIRMED_COPIES, CONFIRMED, NEAR_MISS, WEAK)
"""The first line that fits decides; the last one fits always."""
HEADINGS = (
    "significant", "share of what is required", "proof", "enough different samples", "taken for", "suspected side",
    "given its own label", "between the sides",
)  # fmt: skip
"""What the cells of the table in words are."""


def rule_for(facts: Facts) -> Rule:
    """Return the line of the table that decides."""
    return next(rule for rule in TABLE if rule.fits(facts))


def strength_of(proposal: Proposal) -> Strength:
    """Return how far a proposal stands out; one that only a proof may call stands below, whatever its statistic."""
    if not proposal.stands_alone or proposal.share < DECISION.nearly:
        return Strength.BELOW
    if proposal.share < 1:
        return Strength.NEARLY
    return Strength.ENOUGH if proposal.share < DECISION.clear else Strength.CLEAR


def as_markdown() -> str:
    """Return the table as the README has it."""
    head, *lines = (f"| {' | '.join(cells)} |" for cells in (HEADINGS, *as_cells()))
    return "\n".join([head, f"|{'---|' * len(HEADINGS)}", *lines])


def as_cells() -> list[tuple[str, ...]]:
    """Return the lines of the table in words, under ``HEADINGS``."""
    said = {None: "any", True: "yes", False: "no"}
    return [
        (
            said[rule.significant],
            "any" if rule.strength is None else ", ".join(part.value for part in rule.strength),
            "any" if rule.proof is None else rule.proof.value,
            said[rule.enough],
            rule.because,
            *rule.decisions,
        )
        for rule in TABLE
    ]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ruling:
    """What one proposal, or one rule besides, says of its ``rows`` (n,); a reason None says nothing of a row.

    ``cluster`` is the number that rows carry which are not kept.
    """

    rows: NDArray[np.int64]
    suspicion: NDArray[np.float64]
    decision: NDArray[np.str_]
    reason: NDArray[np.object_]
    cluster: int = -1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Columns:
    """One entry a sample (N,): suspicion in [0, 1], the number of its cluster or -1, decision, reason."""

    suspicion: NDArray[np.float64]
    cluster: NDArray[np.int32]
    decision: NDArray[np.str_]
    reason: NDArray[np.object_]

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Which samples (N,) are kept."""
        return np.asarray(self.decision == "keep")


def ruling_on(
    proposal: Proposal,
    rule: Rule,
    reasons: tuple[str | None, str | None, str | None],
    own_answer: NDArray[np.bool_] | None = None,
) -> Ruling:
    """Return what a rule says of a proposal's rows, with a reason for each of the three kinds of them.

    ``own_answer``: which suspects a proof gives their own label; they are told apart where the rule decides otherwise
    on them.
    """
    inside_n = proposal.inside
    own_n = np.zeros(len(inside_n), dtype=bool)
    if own_answer is not None and rule.own_answer != rule.suspected:
        own_n[inside_n] = own_answer
    parts = (inside_n & ~own_n, own_n, (proposal.chance > DECISION.borderline) & ~inside_n)
    reason_n = np.full(len(inside_n), None, dtype=object)
    for part_n, text in zip(parts, reasons, strict=True):
        reason_n[part_n] = text
    suspicion_n = np.clip(proposal.chance * _ceiling(proposal, rule), 0.0, 1.0)  # a posterior may be past either end
    return Ruling(
        rows=proposal.rows,
        suspicion=np.where(own_n, suspicion_n * DECISION.uncalled_ceiling, suspicion_n),
        decision=np.select(parts, rule.decisions, default="keep").astype("U10"),
        reason=reason_n,
        cluster=proposal.number,
    )


def _ceiling(proposal: Proposal, rule: Rule) -> float:
    """Return the largest suspicion under a rule: above one half only where it is called."""
    if rule.called:
        return 1.0
    return 0.0 if proposal.over_all_labels else DECISION.uncalled_ceiling * min(1.0, proposal.share)


def uniform(
    rows: NDArray[np.int64], decision: Decision, reason: str, *, suspicion: float = 0.0, cluster: int = -1
) -> Ruling:
    """Return a ruling that says the same of all its rows."""
    return Ruling(
        rows=rows,
        suspicion=np.full(len(rows), suspicion),
        decision=np.full(len(rows), decision, dtype="U10"),
        reason=np.full(len(rows), reason, dtype=object),
        cluster=cluster,
    )


def merge(samples: int, rulings: Sequence[Ruling]) -> Columns:
    """Return the decisions on all samples.

    The worse decision on a sample wins; of equal ones the later, with its reason. Suspicion is the largest.
    """
    suspicion = np.zeros(samples)
    cluster = np.full(samples, -1, dtype=np.int32)
    decision = np.full(samples, "keep", dtype="U10")
    reason = np.full(samples, UNNAMED, dtype=object)
    severity = np.zeros(samples, dtype=np.int64)
    for ruling in rulings:
        suspicion[ruling.rows] = np.maximum(suspicion[ruling.rows], ruling.suspicion)
        severity_n = np.select([ruling.decision == name for name in SEVERITY], list(SEVERITY.values()))
        named_n = np.array([text is not None for text in ruling.reason], dtype=bool)
        wins_n = named_n & (severity_n >= severity[ruling.rows])
        won = ruling.rows[wins_n]
        severity[won], decision[won] = severity_n[wins_n], ruling.decision[wins_n]
        reason[won] = ruling.reason[wins_n]
        cluster[won] = np.where(severity_n[wins_n] > 0, ruling.cluster, -1)
    return Columns(suspicion=suspicion, cluster=cluster, decision=decision, reason=reason)
