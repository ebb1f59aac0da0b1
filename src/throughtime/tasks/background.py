"""Trainings in two threads at once: torch computes outside of the lock of the interpreter.

Draws and the number of threads of torch belong to a Python thread, so a training has the same result in any of them,
whatever the others do.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from throughtime.training import Progress

R = TypeVar("R")


class _Abandoned(Exception):
    """Nobody waits for the result of a training."""


@contextmanager
def in_background(
    function: Callable[[Callable[[Progress], None]], R], *, when: bool = True
) -> Iterator[Callable[[], R]]:
    """Call a function in another thread, and yield a function that waits for its result.

    With one thread for torch, or where `when` is false, the function is called in this thread, by who waits for it.

    Args:
        function: gets a callback for its trainings, which ends them where the context is left without their result.
        when: whether it may run at once with this thread.
    """
    if not when or torch.get_num_threads() == 1:
        yield lambda: function(lambda _: None)
        return
    abandoned = Event()

    def check(_: Progress) -> None:
        if abandoned.is_set():
            raise _Abandoned

    with ThreadPoolExecutor(1, "throughtime") as executor:
        future = executor.submit(function, check)
        try:
            yield future.result
        finally:
            abandoned.set()
