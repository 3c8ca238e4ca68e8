"""Why the files server could not do what was asked: a stable code, what is wrong, and what to do next.

FilesError
├── Denied         outside the served folders, protected, not writable, or not agreed to
├── NotFound       nothing has this name
├── Exists         something has this name already
├── TooLarge       more than one call may carry
├── Ambiguous      the text to replace stands there more than once, or not where it was said
├── Invalid        the request makes no sense as it is
├── Conflict       the file is not in the state that the caller expected
├── OutOfTime      the work was stopped at its deadline
└── Unavailable    the folder cannot be used at the moment
"""

from __future__ import annotations

from servers.refusals import Refusal


class FilesError(Refusal):
    """Something the caller reads as `code: problem. advice`; the text never holds a path of the host."""

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(f"{problem}. {advice}")
        self.problem = problem
        """One sentence without its full stop."""
        self.advice = advice
        """What to do next, a whole sentence."""


class Denied(FilesError):
    """Not allowed here, and no other spelling makes it so."""

    code = "denied"


class NotFound(FilesError):
    """Nothing has this name."""

    code = "not_found"


class Exists(FilesError):
    """Something has this name already."""

    code = "exists"


class TooLarge(FilesError):
    """More than one call, or one folder, may carry."""

    code = "too_large"


class Ambiguous(FilesError):
    """The text to replace is there a different number of times than was said."""

    code = "ambiguous"


class Invalid(FilesError):
    """The request makes no sense as it is."""

    code = "invalid"


class Conflict(FilesError):
    """The file is not in the state that the caller expected."""

    code = "conflict"


class OutOfTime(FilesError):
    """The work was stopped at its deadline."""

    code = "timeout"


class Unavailable(FilesError):
    """The folder cannot be used at the moment."""

    code = "unavailable"
