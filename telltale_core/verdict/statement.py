"""What the verdict says of the drop as a whole: one sentence, its significance, and what it cannot see."""

from __future__ import annotations

from collections.abc import Sequence

from telltale_core.drop.grouping import Grouping
from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.constants import SPLIT, TELLING
from telltale_core.verdict.kind import Kind
from telltale_core.verdict.record import Group

GENERAL_CAVEATS = (
    "A quarantined sample is a suspect, not a proven poison: the proxy learns some clean samples like the others.",
    "Poison that leaves no trace in the proxy is not found. Measured without success on small proxies: "
    "warping (WaNet) among samples as hard to learn, and a syntactic trigger of texts at 10 % and less.",
)
MAY_BE_WRONG_LABELS = (
    "What swings otherwise than its label and is taken for other labels may be poison that the proxy did not learn as "
    "one feature, or wrong labels: samples of many kinds that were all given one. Look at the quarantined samples."
)


def least_p_value(groups: Sequence[Group]) -> float:
    """Return the smallest p-value of the cohorts that were tested, 1 where there is none.

    That of a proof says that fewer get their own answer, as of a label's hard samples: it counts where one is called.
    """
    counted = (group for group in groups if group.tested and (group.called or not group.kind.traits.proof_gives_p))
    return min((group.p_value for group in counted if group.p_value is not None), default=1.0)


def state(groups: Sequence[Group], samples: int, config: VerdictConfig) -> str:
    """Return what was found in one sentence; what of it a person must decide is not said here."""
    tested = [group for group in groups if group.tested and group.kind.traits.deviations]
    called = [group for group in groups if group.called]
    called = [group for group in called if group.quarantined] or called  # not what other groups say all of
    if not tested and not called:
        return "No verdict: no group of samples is large enough to be tested."
    if called:
        flagged = sum(group.quarantined for group in called)
        findings = " and ".join(
            _finding(kind, [group for group in called if group.kind is kind]) for kind in _kinds(called)
        )
        what = (
            "Poison, or wrong labels that all went to one, found"
            if all(kind.traits.wrong_labels_alike for kind in _kinds(called))
            else "Poison found"
        )
        finding = f"{what}: {flagged:,} of {samples:,} samples ({flagged / samples:.2%}) are quarantined: {findings}."
        return f"{finding}{_triggers(called)}"
    cohorts = len({group.label for group in tested})
    what = f"{cohorts} {tested[0].word}s tested" if cohorts > 1 else "all samples tested together"
    top = max(
        (group for group in tested if group.p_value is not None), key=lambda group: group.statistic / group.threshold
    )
    honest = ", but a leave-out retraining does not confirm it" if top.refuted else ""
    honest = f", but it is {top.different:,} different samples and copies of them" if top.only_copies else honest
    return (
        f"No poison found: {what}; the most separate group stands {top.statistic:.1f} deviations from its like (p = "
        f"{top.p_value:.2g}), {top.threshold:.1f} and p <= {config.false_alarm_rate:.2g} are needed"
        f"{honest}.{_near_miss(tested)}{_not_confirmed(groups, config)}"
    )


def _kinds(groups: Sequence[Group]) -> list[Kind]:
    return [kind for kind in Kind if any(group.kind is kind for group in groups)]


def _finding(kind: Kind, groups: Sequence[Group]) -> str:
    count, p = sum(group.quarantined for group in groups), least_p_value(groups)
    labels = [group for group in groups if group.label is not None]
    where = f" of {names(labels)}" if labels else ""
    return f"{kind.traits.finding.format(count=count, where=where, p=p)}{_confirmed(groups)}"


def _triggers(groups: Sequence[Group]) -> str:
    """Return a sentence on the experiment with the trigger that turned most, or on all that turned nothing."""
    tried = [group for group in groups if group.trigger is not None]
    working = [group for group in tried if group.trigger is not None and group.trigger.works]
    if not tried:
        return ""
    if not working:
        return " No trigger was isolated: put on other samples, what they share did no more than a control."
    best = max(working, key=lambda group: group.trigger.turned / group.trigger.tried if group.trigger else 0.0)
    says = best.trigger.sentence(into(best)) if best.trigger else ""
    more = f" So do those of {len(working) - 1} more." if len(working) > 1 else ""
    return f" The trigger: {says}.{more}"


def into(group: Group) -> str:
    """Return what a trigger turns samples into, in a sentence."""
    return into_answer(group.label, f"{group.word} {group.label_name or group.label}")


def into_answer(label: int | None, where: str) -> str:
    """Return the same of a cohort that is called ``where``."""
    return "another answer" if label is None else where


def without(own: float, usual: float) -> str:
    """Return what a proxy says of a cluster that it learnt without."""
    return (
        f"a proxy that learnt without that cluster gives {own:.0%} of it its own answer ({usual:.0%} of others that it "
        "did not see)"
    )


def _confirmed(groups: Sequence[Group]) -> str:
    """Return what the leave-out retraining saw of a cohort that is called for it.

    Of several, of the one least like others.
    """
    by = [group for group in groups if group.confirmed and group.own is not None and group.own_usual is not None]
    if not by:
        return ""
    least = min(by, key=lambda group: (group.own or 0.0) - (group.own_usual or 0.0))
    which = f"of {names([least])}, " if len(groups) > 1 else ""
    return f"; {which}{without(least.own or 0.0, least.own_usual or 0.0)}"


def _not_confirmed(groups: Sequence[Group], config: VerdictConfig) -> str:
    """Return a sentence on the groups that were looked at for nothing but missing what is required."""
    doubtful = [group for group in groups if group.own is not None and not group.called and not group.refuted]
    significant = [
        group for group in doubtful if group.p_value is not None and group.p_value <= config.false_alarm_rate
    ]
    if not significant:
        return ""
    what = (
        "the group that was doubtful" if len(significant) == 1 else f"the {len(significant)} groups that were doubtful"
    )
    return f" A leave-out retraining did not confirm {what}."


def _near_miss(groups: Sequence[Group]) -> str:
    near = [group for group in groups if group.review]
    labels = [group for group in near if group.label is not None]
    where = f" of {names(labels)}" if labels else ""
    aside = sum(group.review for group in near)
    return f" A near miss: {aside:,} samples{where} are set aside." if near else ""


def caveats(groups: Sequence[Group], doubtful: int, pooled: int = 0, grouping: Grouping = Grouping.LABEL) -> list[str]:
    """Return what a reader must know before relying on the verdict, the particular before the general.

    ``pooled`` samples have answers that are too rare to be compared by themselves.
    """
    lines = []
    if any(group.called and (group.kind.traits.wrong_labels_alike or group.turned) for group in groups):
        lines.append(MAY_BE_WRONG_LABELS)
    called = [group for group in groups if group.called]
    lines += [_on_copies(group) for group in called if group.copies >= TELLING.many_copies * group.size > 0]
    if large := [one for one in groups if one.kind is Kind.TOGETHER and one.samples > SPLIT.searched(one.label)]:
        lines.append(
            f"A split of {names(large)} was sought among {SPLIT.searched(large[0].label):,} samples of each, drawn by "
            "the seed; the others went to the nearer side. Fewer poisoned samples than a cluster may have been drawn."
        )
    if pooled:
        lines.append(
            f"{pooled:,} samples have a set of labels that few others have: they were judged together as one group, "
            "not each set by itself."
        )
    if doubtful:
        lines.append(
            f"{doubtful:,} kept samples are much harder to learn than {_others(grouping)} may be wrong. "
            "That is no sign of a trigger, so they are kept; the verdict names them in their reason."
        )
    return [*lines, *GENERAL_CAVEATS]


def _on_copies(group: Group) -> str:
    return (
        f"Of the {group.size:,} suspected samples of {names([group])} {group.copies:,} are near-duplicates of each "
        f"other, of {group.originals:,} different ones. Copies move together whatever they are; look at one of each."
    )


def _others(grouping: Grouping) -> str:
    """Return with whom doubtful samples of a cohort are compared, and what of them may be wrong."""
    if grouping is Grouping.NONE:
        return "others; their answers"
    wrong = "; their targets" if grouping is Grouping.TARGET_RANGE else ", which"
    return f"others of their {grouping.noun}{wrong}"


def names(groups: Sequence[Group], most: int = 5) -> str:
    """Return what the groups are called in a sentence, such as ``labels cat, dog``, at most so many by name."""
    if groups[0].kind.traits.any_label:
        return "any label"
    if groups[0].label is None and groups[0].label_name is None:
        return "the drop"
    called = [str(group.label_name or group.label) for group in groups]
    shown = ", ".join(called[:most]) + (f" and {len(called) - most} more" if len(called) > most else "")
    return f"{groups[0].word}{'s' if len(called) > 1 else ''} {shown}"
