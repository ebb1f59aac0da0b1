"""The error that a user can fix, and the warning about data that are used all the same."""

from __future__ import annotations

import sys
import warnings


class InputError(ValueError):
    """Tell a user what was expected, what came and what to do, in one sentence.

    Raised wherever data, a file or an option cannot be used. The command line prints it without a traceback and ends
    with exit code 2.
    """


class InputWarning(UserWarning):
    """Tell a user in one sentence what is odd about data that are used all the same.

    The command line prints it to stderr as a note.
    """


def warn(sentence: str) -> None:
    """Issue an `InputWarning` that points at the first caller outside this package."""
    level = 1
    while sys._getframe(level).f_globals.get("__name__", "").startswith("throughtime."):  # noqa: SLF001
        level += 1
    warnings.warn(sentence, InputWarning, stacklevel=level + 1)
