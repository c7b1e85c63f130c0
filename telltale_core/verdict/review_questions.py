"""What a verdict asks a person: the one list that the statement, the record, exit codes and publication go by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telltale_core.questions import Question
from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.constants import TELLING
from telltale_core.verdict.record import Group
from telltale_core.verdict.statement import names, state
from telltale_core.verdict.untested import ENDS

if TYPE_CHECKING:
    from telltale_core.verdict.conclude import Decisions


def questions_on(decisions: Decisions, config: VerdictConfig) -> list[Question]:
    """Return what a person must decide before a drop with these decisions is published; nothing else asks."""
    questions = []
    if config.untested == "review":
        questions += [
            Question(code=code, text=text, cure="verdict.untested") for code, text in untested(decisions, config)
        ]
    if decisions.not_retrained:
        text = (
            "a leave-out retraining was called for and could not be done: a doubtful group was judged without it; "
            "judge again where the proxy can be trained (on a GPU, if one trained the first)"
        )
        questions.append(Question(code="leave_out_not_done", text=text, cure="verdict.leave_out"))
    questions += [_on_copies(group, config) for group in decisions.groups if group.only_copies]
    questions += _broad(decisions, config)
    if not (decisions.decision == "keep").any():
        text = "nothing of the drop is kept: approval publishes a version without rows"
        questions.append(Question(code="nothing_kept", text=text))
    return questions


def statement_on(decisions: Decisions, config: VerdictConfig) -> str:
    """Return the verdict in words; they speak of a person exactly where a question is open."""
    statement = state(decisions.groups, len(decisions.decision), config)
    if questions := questions_on(decisions, config):
        return f"{statement} A person must decide: {'; '.join(question.text for question in questions)}."
    return " ".join([statement, *(f"{text[0].upper()}{text[1:]}." for _, text in untested(decisions, config))])


def untested(decisions: Decisions, config: VerdictConfig) -> list[tuple[str, str]]:
    """Return code and words for each cause for which samples were not tested, and what becomes of them."""
    causes, end = [], ENDS[config.untested]
    groups = [group for group in decisions.groups if not group.tested]
    few = int(decisions.untested.sum()) - decisions.non_finite
    if few:
        text = f"{_samples(few)} of {names(groups)} could not be tested (too few, or all alike) and {_be(few)} {end}"
        causes.append(("untested", text))
    if decisions.non_finite:
        count = decisions.non_finite
        text = f"{_samples(count)} had a loss that was not a finite number and {_be(count)} {end}"
        causes.append(("loss_not_finite", text))
    return causes


def _on_copies(group: Group, config: VerdictConfig) -> Question:
    text = (
        f"{group.size:,} samples of {names([group])} stand out as poison does, but are only "
        f"{group.different:,} different ones and near-duplicates of them ({config.min_cluster} are needed): they are "
        "set aside, look at one of each"
    )
    return Question(code="copies_stand_out", text=text)


def _broad(decisions: Decisions, config: VerdictConfig) -> list[Question]:
    """Return a question where more is held back than a person should leave to a rule: of the drop, or of one cohort."""
    aside_N = decisions.decision != "keep"
    if config.untested == "review":
        aside_N &= ~decisions.untested  # these are asked about already
    aside, samples, questions = int(aside_N.sum()), len(aside_N), []
    if aside > config.review_share * samples:
        text = f"{aside:,} of {samples:,} samples are held back, more than {config.review_share:.0%}"
        questions.append(Question(code="much_held_back", text=text, cure="verdict.review_share"))
    if whole := _nearly_whole(decisions.groups):
        text = f"more than {TELLING.most_of_cohort:.0%} of {names(whole)} {_be(len(whole))} quarantined"
        questions.append(Question(code="label_quarantined", text=text))
    return questions


def _nearly_whole(groups: tuple[Group, ...]) -> list[Group]:
    """Return the cohorts of which more than three quarters are quarantined, whatever was found in them."""
    lost: dict[int | None, int] = {}
    first: dict[int | None, Group] = {}
    for group in groups:
        if not group.kind.traits.any_label:  # a label and what else is found in it are one
            lost[group.label] = lost.get(group.label, 0) + group.quarantined
            first.setdefault(group.label, group)
    return [group for label, group in first.items() if lost[label] > TELLING.most_of_cohort * group.samples]


def _samples(count: int) -> str:
    return f"{count:,} {'sample' if count == 1 else 'samples'}"


def _be(count: int) -> str:
    return "is" if count == 1 else "are"
