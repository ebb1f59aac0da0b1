"""The number of threads of a training."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock, Thread
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_lock = Lock()


@contextmanager
def one_thread(*, when: bool = True) -> Iterator[None]:
    """One thread where there is too little work for more; results then do not depend on the number of them.

    Other Python threads, and those begun in the meantime, keep their numbers.
    """
    if not when:
        yield
        return
    before = _set_thread_count(1)
    try:
        yield
    finally:
        _set_thread_count(before)


def _set_thread_count(number: int) -> int:
    """Set the number of threads for calls from this Python thread alone. Returns the one before.

    `torch.set_num_threads` counts for the thread that calls it and for threads that torch sees for the first time
    later; what those begin with is put back by one of them.
    """
    with _lock:
        before = torch.get_num_threads()
        initial: list[int] = []
        _run_in_new_thread(lambda: initial.append(torch.get_num_threads()))
        torch.set_num_threads(number)
        _run_in_new_thread(lambda: torch.set_num_threads(initial[0]))
    return before


def _run_in_new_thread(call: Callable[[], None]) -> None:
    thread = Thread(target=call)
    thread.start()
    thread.join()
