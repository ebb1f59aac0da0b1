"""Signals that interrupt a command: Ctrl-C, SIGTERM and SIGHUP."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SAME_SIGNAL_SECONDS = 0.5  # supervisors send a signal to a process and to its group


class CommandInterrupted(Exception):
    """Ctrl-C before there was a model to save."""


@contextmanager
def interrupt_on_signals() -> Iterator[None]:
    """Handle SIGTERM and SIGHUP as Ctrl-C, unless they are ignored, as under nohup.

    The first signal interrupts, and the best model so far is saved. The second one prints a line, and the third one
    ends the saving.
    """
    received: list[float] = []

    def interrupt(*_: object) -> None:
        now = time.monotonic()
        is_repeated = bool(received) and now - received[-1] < _SAME_SIGNAL_SECONDS
        if is_repeated:
            return
        received.append(now)
        if len(received) == 2:
            os.write(2, b"throughtime: saving the model; interrupt again to stop without saving\n")
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
