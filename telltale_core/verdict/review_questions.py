"""What a verdict asks a person: the one list that the statement, the record, exit codes and publication go by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telltale_core.questions import Question
from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.record import Group
from telltale_core.verdict.statement import names, state
from telltale_core.verdict.untested import ENDS

if TYPE_CHECKING:
    from telltale_core.verdict.decision import Decisions

MOST_OF_COHORT = 0.75
"""A drop of which a cohort would lose more than this share needs a person's approval."""


def questions_on(made: Decisions, config: VerdictConfig) -> list[Question]:
    """Return what a person must decide before a drop with these decisions is published; nothing else asks."""
    asked = []
    if config.untested == "review":
        asked += [Question(code=code, text=text, cure="verdict.untested") for code, text in untested(made, config)]
    if made.not_retrained:
        text = (
            "a leave-out retraining was called for and could not be done: a doubtful group was judged without it; "
            "judge again where the proxy can be trained (on a GPU, if one trained the first)"
        )
        asked.append(Question(code="leave_out_not_done", text=text, cure="verdict.leave_out"))
    asked += [_on_copies(group, config) for group in made.groups if group.only_copies]
    asked += _broad(made, config)
    if not (made.decision == "keep").any():
        text = "nothing of the drop is kept: approval publishes a version without rows"
        asked.append(Question(code="nothing_kept", text=text))
    return asked


def statement_on(made: Decisions, config: VerdictConfig) -> str:
    """Return the verdict in words; they speak of a person exactly where a question is open."""
    told = state(made.groups, len(made.decision), config)
    if asked := questions_on(made, config):
        return f"{told} A person must decide: {'; '.join(question.text for question in asked)}."
    return " ".join([told, *(f"{text[0].upper()}{text[1:]}." for _, text in untested(made, config))])


def untested(made: Decisions, config: VerdictConfig) -> list[tuple[str, str]]:
    """Return code and words for each cause for which samples were not tested, and what becomes of them."""
    found, end = [], ENDS[config.untested]
    groups = [group for group in made.groups if not group.tested]
    few = int(made.untested.sum()) - made.non_finite
    if few:
        text = f"{_samples(few)} of {names(groups)} could not be tested (too few, or all alike) and {_be(few)} {end}"
        found.append(("untested", text))
    if made.non_finite:
        count = made.non_finite
        text = f"{_samples(count)} had a loss that was not a finite number and {_be(count)} {end}"
        found.append(("loss_not_finite", text))
    return found


def _on_copies(group: Group, config: VerdictConfig) -> Question:
    where = names([group]) if group.kind != "guess" else "any label"
    text = (
        f"{group.size:,} samples of {where} stand out as poison does, but are only {group.different:,} different ones "
        f"and near-duplicates of them ({config.min_cluster} are needed): they are set aside, look at one of each"
    )
    return Question(code="copies_stand_out", text=text)


def _broad(made: Decisions, config: VerdictConfig) -> list[Question]:
    """Return a question where more is set aside than a person should leave to a rule: of the drop, or of one cohort."""
    aside_N = made.decision != "keep"
    if config.untested == "review":
        aside_N &= ~made.untested  # these are asked about already
    aside, samples, asked = int(aside_N.sum()), len(aside_N), []
    if aside > config.review_share * samples:
        text = f"{aside:,} of {samples:,} samples are set aside, more than {config.review_share:.0%}"
        asked.append(Question(code="much_set_aside", text=text, cure="verdict.review_share"))
    if whole := _nearly_whole(made.groups):
        text = f"more than {MOST_OF_COHORT:.0%} of {names(whole)} {_be(len(whole))} quarantined"
        asked.append(Question(code="label_set_aside", text=text))
    return asked


def _nearly_whole(groups: tuple[Group, ...]) -> list[Group]:
    """Return the cohorts of which more than three quarters are quarantined, whatever was found in them."""
    lost: dict[int | None, int] = {}
    first: dict[int | None, Group] = {}
    for group in groups:
        if group.kind != "guess":  # a label and what else is found in it are one
            lost[group.label] = lost.get(group.label, 0) + group.quarantined
            first.setdefault(group.label, group)
    return [group for label, group in first.items() if lost[label] > MOST_OF_COHORT * group.samples]


def _samples(count: int) -> str:
    return f"{count:,} {'sample' if count == 1 else 'samples'}"


def _be(count: int) -> str:
    return "is" if count == 1 else "are"
