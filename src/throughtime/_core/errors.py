"""Errors that a user can fix, and the warning about unusual data."""

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
    """Data, a file or an option that cannot be used: one sentence with what was expected, what was found, what to do.

    The command line prints it without a traceback and exits with code 2.
    """

    def __str__(self) -> str:
        """Return the sentence without control characters, which names from data may hold."""
        return escape_controls(super().__str__())


class MissingPackageError(ModuleNotFoundError, InputError):
    """A package that is not installed, with the command that installs it."""


@contextmanager
def requires(extra: str, caller: str) -> Iterator[None]:
    """Name the command that installs a package that an import in this block does not find.

    Of several nested blocks the outermost decides: it is the one that the user called.

    Args:
        extra: the extra of throughtime that installs the package, as in pyproject.toml.
        caller: what needs the package, for the message.

    Raises:
        MissingPackageError: for a package that is not installed.

    >>> with requires("music", "MIDI"):
    ...     import nix
    Traceback (most recent call last):
    throughtime._core.errors.MissingPackageError: nix is not installed: pip install 'throughtime[music]' (MIDI needs it)
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
    """Data that are unusual but can be used, described in one sentence.

    The command line prints it to stderr as a note.
    """


def warn(sentence: str) -> None:
    """Issue an `InputWarning` that points at the first caller outside this package."""
    level = 1
    while sys._getframe(level).f_globals.get("__name__", "").startswith("throughtime."):  # noqa: SLF001
        level += 1
    warnings.warn(sentence, InputWarning, stacklevel=level + 1)
