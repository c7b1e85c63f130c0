from __future__ import annotations

import pytest

from telltale_core.drop.grouping import Grouping


@pytest.mark.parametrize(
    ("grouping", "noun", "answer", "classes", "noisy", "size"),
    [
        (Grouping.LABEL, "label", "label", True, False, True),
        (Grouping.TARGET_RANGE, "target range", "target", False, True, False),
        (Grouping.LABEL_SET, "label set", "labels", False, True, True),
        (Grouping.NONE, "drop", "label or target", False, False, True),
    ],
)
def test_what_is_known_of_answers_hangs_on_the_grouping(
    grouping: Grouping, noun: str, answer: str, *, classes: bool, noisy: bool, size: bool
) -> None:
    assert (grouping.noun, grouping.answer) == (noun, answer)
    assert (grouping.one_class_each, grouping.answers_are_noisy, grouping.size_tells) == (classes, noisy, size)
