"""Errors come back whole from another process."""

from __future__ import annotations

import inspect
import pickle

import pytest

from telltale_core import errors

EVERY = [each for each in vars(errors).values() if inspect.isclass(each) and issubclass(each, errors.TelltaleError)]


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_an_error_is_the_same_after_pickle(kind: type[errors.TelltaleError]) -> None:
    error = kind("label_missing", "row 3") if issubclass(kind, errors.BadInput) else kind("row 3")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
