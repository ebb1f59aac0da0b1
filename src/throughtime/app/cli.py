"""The entry of the command line: exit codes and one sentence for every fault.

0: done. 2: something that the user can fix. 130: Ctrl-C, SIGTERM or SIGHUP. 1: anything else, a fault of ours or
of the machine; the traceback is shown where THROUGHTIME_DEBUG is set. The verbs stand in `commands.py`.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import warnings
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from throughtime._core.errors import InputError, InputWarning, requires
from throughtime._core.escaping import escape_controls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_AT_ONCE = 0.5  # seconds within which signals count as one: supervisors send them to a process and to its group


class Interrupted(Exception):
    """Ctrl-C before there was anything to keep: typer would end a verb that is interrupted without a word."""


def main() -> None:
    """Run the command line and end the process."""
    try:
        with _ended_by_signals(), warnings.catch_warnings():
            with requires("all", "the command line"):
                from throughtime.app.commands import app

            warnings.simplefilter("once", InputWarning)
            warnings.showwarning = partial(_show, warnings.showwarning)
            sys.exit(app(prog_name="throughtime", standalone_mode=False))
    except BaseException as error:
        if isinstance(error, SystemExit) or os.environ.get("THROUGHTIME_DEBUG"):
            raise
        code, sentence = _fault(error)
        if sentence:
            sys.stderr.write(f"throughtime: {escape_controls(' '.join(sentence.split()))}\n")
        sys.exit(code)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """End as Ctrl-C does at SIGTERM and SIGHUP too, unless they are ignored, as under nohup.

    Only the first one interrupts: what follows is that the best model so far is saved. The second one is answered by a
    line, and the third one gives that up too.
    """
    received: list[float] = []

    def interrupt(*_: object) -> None:
        now = time.monotonic()
        is_repeated = bool(received) and now - received[-1] < _AT_ONCE
        if is_repeated:
            return
        received.append(now)
        if len(received) == 2:
            os.write(2, b"throughtime: what there is is being saved; once more, and it is given up\n")
        else:
            raise KeyboardInterrupt

    former = {}
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            former[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _show(usual: Callable[..., None], message: Warning | str, category: type[Warning], *place: Any) -> None:
    """Print a warning about data as a note, any other one as usual."""
    if issubclass(category, InputWarning):
        sys.stderr.write(f"{escape_controls(str(message))}\n")
    else:
        usual(message, category, *place)


def _fault(error: BaseException) -> tuple[int, str]:
    """The exit code of a fault and what to say about it."""
    match error:
        case KeyboardInterrupt() | Interrupted():
            return 130, "interrupted; nothing was written"
        case InputError():
            return 2, str(error)
        case _ if hasattr(error, "format_message"):  # of a command line that typer cannot read
            return 2, _misread(error)
        case ModuleNotFoundError():
            return 2, f"{error.name} is not installed: pip install 'throughtime[all]'"
        case _:
            return 1, f"{type(error).__name__}: {error}; set THROUGHTIME_DEBUG=1 to see where"


def _misread(error: Any) -> str:
    """What is wrong with a command line, and whose help tells more; nothing where it is empty and help was shown."""
    asked = getattr(error.ctx, "command_path", "throughtime")
    said = error.format_message().removesuffix(".")
    return said and f"{said}; see {asked} --help"
