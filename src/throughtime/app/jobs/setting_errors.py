"""Errors of the library in the words of the command line: settings become options, and data get their file."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from throughtime._core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

OPTIONS = {
    "random_state": "--seed",
    "n_windows": "--windows",
    "step_size": "--step",
    "space": "--search",
    "false_alarm_rate": "--false-alarms",
    "top_k": "--top-k",
    "top_p": "--top-p",
    **{
        name: f"--{name}"
        for name in (
            "against", "budget", "cell", "decoder", "freq", "horizon", "likelihood", "missing", "preset", "storage",
            "temperature", "trials", "workers",
        )
    },
}  # fmt: skip
"""Options by the settings that they set; all others are set by --set NAME=VALUE."""


def name_option(message: str) -> str:
    """Return a message on a setting as a message on its option; other messages stay as they are."""
    name, colon, rest = message.partition(":")
    if not colon or not name.isidentifier():
        return message
    return f"{OPTIONS.get(name, f'--set {name}')}{colon}{rest}"


@contextmanager
def located_errors(path: Path | None = None, settings: Collection[str] | None = None) -> Iterator[None]:
    """Name the option or the file that an error of the library is about.

    Args:
        path: of the data; an error is about an option if None.
        settings: whose messages are about options; all others are about the data.

    Raises:
        InputError: for each one within the block.
    """
    try:
        yield
    except InputError as error:
        message = str(error)
        if path is None or (settings is not None and message.partition(":")[0] in settings):
            raise InputError(name_option(message)) from error
        raise InputError(f"{path}: {message}") from error
