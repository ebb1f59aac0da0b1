"""Where trainings are done that do not need each other: one after the other in this process, or at once on Ray.

A job is a function and its arguments, and results come in the order of the arguments, wherever and whenever each was
finished. So they are the same with any number of workers, on processors of a kind.
"""

from __future__ import annotations

import importlib
import logging
import os
import socket
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import torch

from throughtime._core.errors import InputError, requires

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_LOCAL = "ray"
_CONNECT_TIMEOUT = 10.0  # seconds
A = TypeVar("A")
R = TypeVar("R")


class Map(Protocol):
    """The signature of the built-in `map`."""

    def __call__(self, function: Callable[[A], R], arguments: Iterable[A], /) -> Iterator[R]:
        """Results in the order of the arguments."""
        ...


def check_workers(workers: str | None) -> None:
    """See that the workers are known and Ray is installed, before anything is learned.

    Raises:
        InputError: names the choices, or the line that installs what is missing.
    """
    if workers is None:
        return
    if workers not in (_LOCAL, "auto") and (":" not in workers or "://" in workers):
        raise InputError(
            f"workers: expected {_LOCAL}, or the address of a Ray cluster as auto or HOST:PORT, got {workers!r}"
        )
    with requires("ray", "workers"):
        _import_ray()


def ordered_map(workers: str | None) -> AbstractContextManager[Map]:
    """Yield a `map` over workers, which are released in the end.

    Args:
        workers: None for this process; "ray" for a Ray cluster on this machine, which is started and shut down; or the
            address of one to join. Where this process has joined one already, that one does the work.

    Raises:
        InputError: where no cluster answers.
    """
    return nullcontext(map) if workers is None else _on_ray(workers)


@contextmanager
def _on_ray(workers: str) -> Iterator[Map]:
    ray, tasks = _import_ray(), []
    joined = ray.is_initialized()
    if not joined:
        _connect(ray, workers)
    try:
        yield partial(_map_on_ray, ray, tasks)
    finally:
        if joined:
            for task in tasks:  # that nobody waits for any more
                ray.cancel(task)
        else:
            ray.shutdown()


def _connect(ray: Any, workers: str) -> None:
    """Start a cluster or join the one of an address, without pages of its log."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = "local" if workers == _LOCAL else workers
    try:
        if ":" in address:
            _check_reachable(address)  # Ray itself waits for minutes
        ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ImportError, RuntimeError, ValueError) as error:
        cause = str(error).partition("\n")[0]
        raise InputError(f"workers: expected a Ray cluster that answers at {workers}: {cause}") from error


def _check_reachable(address: str) -> None:
    host, _, port = address.rpartition(":")
    socket.create_connection((host, int(port)), _CONNECT_TIMEOUT).close()


def _map_on_ray(ray: Any, tasks: list[Any], function: Callable[[A], R], arguments: Iterable[A], /) -> Iterator[R]:
    """Each argument is a task of one thread."""
    shared, task = ray.put(function), ray.remote(num_cpus=1)(_run_single_threaded)
    ours = [task.remote(shared, argument) for argument in arguments]
    tasks += ours
    try:
        for result in ours:
            yield ray.get(result)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error


def _run_single_threaded(function: Callable[[A], R], argument: A) -> R:
    torch.set_num_threads(1)
    return function(argument)


def _import_ray() -> Any:
    return importlib.import_module("ray")
