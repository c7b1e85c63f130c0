"""What a cohort is: the samples of one label, of one range of targets, of one set of labels, or all of them."""

from __future__ import annotations

from enum import Enum


class Grouping(Enum):
    """By what samples are compared with each other; the value is the noun that sentences call a cohort by."""

    LABEL = "label"
    TARGET_RANGE = "target range"
    LABEL_SET = "label set"
    NONE = "drop"

    @property
    def noun(self) -> str:
        """What one cohort is called."""
        return self.value

    @property
    def answer(self) -> str:
        """What may be wrong with one sample of a cohort."""
        answers = {Grouping.LABEL: "label", Grouping.TARGET_RANGE: "target", Grouping.LABEL_SET: "labels"}
        return answers.get(self, "label or target")

    @property
    def one_class_each(self) -> bool:
        """Whether each sample has one class: the loss of a guess over the classes is known then."""
        return self is Grouping.LABEL

    @property
    def answers_are_noisy(self) -> bool:
        """Whether honest answers keep an error that poisoned ones do not: the level of the loss tells them apart."""
        return self in (Grouping.TARGET_RANGE, Grouping.LABEL_SET)

    @property
    def size_tells(self) -> bool:
        """Whether the smaller side is the suspected one. A range of targets is so small that poison can fill it."""
        return self is not Grouping.TARGET_RANGE
