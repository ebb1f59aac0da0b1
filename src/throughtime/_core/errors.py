"""The errors that a user can fix, and the warning about data that are used all the same."""

from __future__ import annotations

import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from throughtime._core.escaping import escape_controls

if TYPE_CHECKING:
    from collections.abc import Iterator

_DISTRIBUTIONS = {"sklearn": "scikit-learn"}  # packages that are installed by another name


class InputError(ValueError):
    """Tell a user what was expected, what came and what to do, in one sentence.

    Raised wherever data, a file or an option cannot be used. The command line prints it without a traceback and ends
    with exit code 2.
    """

    def __str__(self) -> str:
        """Return the sentence, in which names from data cannot command a terminal."""
        return escape_controls(super().__str__())


class MissingPackageError(ModuleNotFoundError, InputError):
    """A package that is not installed, with the line that installs it."""


@contextmanager
def requires(extra: str, caller: str) -> Iterator[None]:
    """Name the line that installs a package which an import in this block does not find.

    Of several such blocks, the outermost decides: it stands where the user called.

    Args:
        extra: of throughtime that installs the package, as in pyproject.toml.
        caller: what needs the package, in words.

    Raises:
        MissingPackageError: for such a package.

    >>> with requires("music", "a tune"):
    ...     import no_such
    Traceback (most recent call last):
    throughtime._core.errors.MissingPackageError: no_such is not installed: pip install 'throughtime[music]' (a tune needs it)
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "throughtime"):
            raise
        name = _DISTRIBUTIONS.get(package, package)
        sentence = f"{name} is not installed: pip install 'throughtime[{extra}]' ({caller} needs it)"
        raise MissingPackageError(sentence, name=package) from error


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
