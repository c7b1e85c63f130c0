"""One correction for the number of tests, wherever a p-value or a level is corrected."""

from __future__ import annotations

import pytest

from telltale_core.verdict.correction import corrected, level_of_each, number_of_tests, with_as_many_again


def test_a_p_value_is_multiplied_by_the_number_of_tests_and_is_never_above_one() -> None:
    assert corrected(0.001, 7) == 0.007
    assert corrected(0.5, 7) == 1.0


def test_what_reaches_the_level_of_each_test_reaches_the_level_once_corrected() -> None:
    for tests in range(1, 40):
        assert corrected(level_of_each(0.01, tests), tests) == pytest.approx(0.01, rel=1e-12)


def test_counted_are_the_tests_that_could_be_made() -> None:
    assert number_of_tests([True, False, True]) == 2
    assert number_of_tests([]) == number_of_tests([False]) == 1
    assert with_as_many_again(3) == 6
