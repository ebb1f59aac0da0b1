"""A training that can be watched: a bar in a notebook or on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any

from throughtime._errors import requires

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from throughtime.training._history import Progress

_PAUSE = 5.0  # seconds between plain lines
_BLINK = 0.1  # seconds between two states of a notebook's bar


@contextmanager
def progress_bar(title: str = "training", *, console: Console | None = None) -> Iterator[Callable[[Progress], None]]:
    """Give a callback for `fit` that shows how far it is: the loss, the validation loss and the time left.

    Args:
        title: what is being trained.
        console: rich's console; None for one on stderr.

    >>> import torch
    >>> from throughtime import nn, training
    >>> with training.progress_bar("a network") as bar:
    ...     x, y = torch.randn(10, 1, 1), torch.randn(10, 1, 1)
    ...     history = training.fit(nn.ManyToMany(nn.RNN(1, 4), 1), (x, y), stop=[training.Epochs(1)], callbacks=[bar])
    """
    with requires("forecast", "progress_bar"):
        from rich.console import Console

    console = console or Console(stderr=True, highlight=False, soft_wrap=True)
    show = _page if console.is_jupyter else _bar if console.is_terminal else _lines
    with show(console, title) as callback:
        yield callback


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    seconds = max(seconds, 0.0)
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes} min {rest} s"


@contextmanager
def _page(_: Console, title: str) -> Iterator[Callable[[Progress], None]]:
    """In a notebook; the bar stays with its last state."""
    from IPython.display import HTML, display  # pyright: ignore[reportMissingImports]  there is one in every notebook

    def drawn(share: float, state: str) -> Any:
        return HTML(f"{escape(title)} <progress value='{share:.3f}'></progress> {escape(state)}")

    place: Any = display(drawn(0.0, ""), display_id=True)
    told, last = 0.0, ""

    def callback(now: Progress) -> None:
        nonlocal told, last
        last = _state(now)
        if time.monotonic() - told >= _BLINK:
            told = time.monotonic()
            place.update(drawn(_share(now), last))

    yield callback
    place.update(drawn(1.0, last))


@contextmanager
def _bar(console: Console, title: str) -> Iterator[Callable[[Progress], None]]:
    """On a terminal; the bar is gone when the training is."""
    from rich import progress

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TextColumn("{task.fields[state]}", style="dim"),
    )
    with progress.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=1.0, state="")

        def callback(now: Progress) -> None:
            bar.update(task, completed=_share(now), state=_state(now))

        yield callback


@contextmanager
def _lines(console: Console, title: str) -> Iterator[Callable[[Progress], None]]:
    """In a file."""
    told = time.monotonic()

    def callback(now: Progress) -> None:
        nonlocal told
        if time.monotonic() - told >= _PAUSE:
            told = time.monotonic()
            console.print(f"{title}: {_share(now):.0%}, {_state(now)}", markup=False)

    yield callback


def _share(now: Progress) -> float:
    """How much of the training is done, as far as that is known."""
    if now.seconds_left is None:
        return 0.0
    seconds, left = max(now.seconds, 0.0), max(now.seconds_left, 0.0)
    return seconds / max(seconds + left, 1e-9)


def _state(now: Progress) -> str:
    validation = [] if now.validation_loss is None else [f"validation loss {now.validation_loss:.4g}"]
    left = [] if now.seconds_left is None else [f"{duration(now.seconds_left)} left"]
    return ", ".join([f"loss {now.loss:.4g}", *validation, *left])
