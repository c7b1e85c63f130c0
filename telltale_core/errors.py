"""One family of errors: each says what was expected, what was found, where, and what to do.

The class decides what a caller may do about it, never the text:

====================  ==========================================================  ===============
class                 meaning                                                     retry?
====================  ==========================================================  ===============
``BadInput``          the drop (or a row, file, key of it) cannot be accepted     never
``ConfigError``       a setting is out of range or contradicts another            never
``Transient``         the store or network failed in a way that may pass          yes, backoff
``NotFound``          a key, version or sample does not exist                     never
``Conflict``          somebody else holds the name that was to be created         by re-planning
``CommitUnknown``     a commit was sent and its outcome could not be read back    never blindly
``Corrupt``           bytes do not match their digest                             never
``TrainingDiverged``  the proxy produced non-finite losses                        never
``NothingLearnt``     no loss of the proxy was below that of guessing             never
``Misaligned``        a loss log's rows do not follow its sample ids              never
``NeedsReview``       a question is open, and nobody has approved what is open    after approval
``OverBudget``        an estimate exceeds the stated memory, disk or time budget  never
``Stopped``           the process was told to end; what it says it kept stands    by a new run
====================  ==========================================================  ===============
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from telltale_core.questions import Question


class TelltaleError(Exception):
    """Base of every error that Telltale raises on purpose."""


class BadInput(TelltaleError):
    """The input cannot be accepted; ``code`` is a stable, machine-readable reason such as ``"label_out_of_range"``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{message} [{code}]")
        self.code = code
        self._arguments = code, message

    def __reduce__(self) -> tuple[type[BadInput], tuple[str, str]]:
        """Come back whole from another process."""
        return type(self), self._arguments


class ConfigError(TelltaleError, ValueError):
    """A setting is out of its range, unknown, or contradicts another one."""


class StorageError(TelltaleError):
    """Base of what a store can do wrong."""


class Transient(StorageError):
    """The store or the network failed in a way that may pass; the retry budget inside the store is already spent."""


class NotFound(StorageError):
    """The key, version or sample does not exist."""


class Conflict(StorageError):
    """The key that was to be created exists already, with somebody else's content."""


class CommitUnknown(StorageError):
    """A conditional create was sent, its reply was lost, and the key cannot be read: it may or may not stand."""


class Corrupt(StorageError):
    """Bytes read back do not have the digest or the row count that their record states."""


class TrainingDiverged(TelltaleError):
    """The proxy produced a non-finite loss; the message names epoch, step and the settings to try."""


class NothingLearnt(TelltaleError):
    """The proxy never did better than guessing, so its losses say nothing; the message names the settings to try."""


class Misaligned(TelltaleError):
    """Rows of a loss log do not follow their sample ids: neighbouring epochs are not rank-correlated."""


class NeedsReview(TelltaleError):
    """Something must be decided by a person (``questions``) and nobody has approved it: nothing was published.

    ``approval`` is the code by which just this is approved: these questions, of this verdict, for this dataset.
    """

    def __init__(self, message: str, questions: Sequence[Question] = (), approval: str = "") -> None:
        super().__init__(message)
        self.questions = tuple(questions)
        self.approval = approval


class OverBudget(TelltaleError):
    """An estimate of memory, disk or time exceeds the stated budget; raised before the work starts."""


class Stopped(TelltaleError):
    """The process was told to end and the work stopped in good order; the message says what is kept."""
