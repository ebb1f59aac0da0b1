"""The entry point of the command line: exit codes, and one sentence for every error.

0: success. 2: an error that the user can fix. 130: Ctrl-C, SIGTERM or SIGHUP. 1: any other error; the traceback is
shown if THROUGHTIME_DEBUG is set. The commands are in `commands.py`.
"""

from __future__ import annotations

import os
import sys
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

from throughtime._core.errors import InputError, InputWarning, MissingPackageError, requires
from throughtime._core.escaping import escape_controls
from throughtime._core.version import __version__
from throughtime.app.signals import CommandInterrupted, interrupt_on_signals

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Run the command line and end the process."""
    try:
        with interrupt_on_signals(), warnings.catch_warnings():
            try:
                with requires("forecast", "the command line"):
                    from throughtime.app.commands import app
            except MissingPackageError as error:
                sys.exit(_answer_without_commands(error))

            warnings.simplefilter("once", InputWarning)
            warnings.showwarning = partial(_show_warning, warnings.showwarning)
            sys.exit(app(prog_name="throughtime", standalone_mode=False))
    except BaseException as error:
        if isinstance(error, SystemExit) or os.environ.get("THROUGHTIME_DEBUG"):
            raise
        code, message = _exit_code(error)
        if message:
            sys.stderr.write(f"throughtime: {escape_controls(' '.join(message.split()))}\n")
        sys.exit(code)


def _answer_without_commands(error: MissingPackageError) -> int:
    """Answer --help and --version where the libraries of the commands are not installed; raise the error otherwise."""
    match sys.argv[1:]:
        case ["--version"]:
            sys.stdout.write(f"throughtime {__version__}\n")
        case ["--help"]:
            sys.stdout.write(
                "The layers and the training of throughtime are installed, and the commands need more libraries. To\n"
                "install them, and to forecast the columns of a file:\n\n"
                "  pip install 'throughtime[forecast]'\n  throughtime forecast data.csv --horizon 24\n"
            )
        case _:
            raise error
    return 0


def _show_warning(default: Callable[..., None], message: Warning | str, category: type[Warning], *source: Any) -> None:
    """Print a warning about data as a note, and any other warning with `default`."""
    if issubclass(category, InputWarning):
        sys.stderr.write(f"{escape_controls(str(message))}\n")
    else:
        default(message, category, *source)


def _exit_code(error: BaseException) -> tuple[int, str]:
    """Return the exit code of an error, and its message."""
    match error:
        case KeyboardInterrupt() | CommandInterrupted():
            return 130, "interrupted; nothing was written"
        case InputError():
            return 2, str(error)
        case _ if hasattr(error, "format_message"):  # a usage error of click
            return 2, _usage_message(error)
        case ModuleNotFoundError():
            return 2, f"{error.name} is not installed: pip install 'throughtime[all]'"
        case _:
            return 1, f"{type(error).__name__}: {error}; set THROUGHTIME_DEBUG=1 to see where"


def _usage_message(error: Any) -> str:
    """Return a message on a wrong command line and its help; '' for an empty command line, which shows the help."""
    command = getattr(error.ctx, "command_path", "throughtime")
    message = error.format_message().removesuffix(".")
    return message and f"{message}; see {command} --help"
