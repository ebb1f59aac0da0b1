"""A training that can be watched: a bar in a notebook or on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any

from throughtime._core.errors import requires

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from throughtime.training._history import Progress

_LINE_INTERVAL = 5.0  # seconds between plain lines
_NOTEBOOK_INTERVAL = 0.1  # seconds between two states of a notebook's bar


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
    show = _notebook_bar if console.is_jupyter else _terminal_bar if console.is_terminal else _plain_lines
    with show(console, title) as callback:
        yield callback


def format_duration(seconds: float) -> str:
    """Seconds as a person says them."""
    seconds = max(seconds, 0.0)
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes} min {rest} s"


@contextmanager
def _notebook_bar(_: Console, title: str) -> Iterator[Callable[[Progress], None]]:
    """In a notebook; the bar stays with its last state."""
    from IPython.display import HTML, display  # pyright: ignore[reportMissingImports]  there is one in every notebook

    def render(share: float, state: str) -> Any:
        return HTML(f"{escape(title)} <progress value='{share:.3f}'></progress> {escape(state)}")

    display_handle: Any = display(render(0.0, ""), display_id=True)
    last_shown, last = 0.0, ""

    def callback(now: Progress) -> None:
        nonlocal last_shown, last
        last = _status(now)
        if time.monotonic() - last_shown >= _NOTEBOOK_INTERVAL:
            last_shown = time.monotonic()
            display_handle.update(render(_fraction_done(now), last))

    yield callback
    display_handle.update(render(1.0, last))


@contextmanager
def _terminal_bar(console: Console, title: str) -> Iterator[Callable[[Progress], None]]:
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
            bar.update(task, completed=_fraction_done(now), state=_status(now))

        yield callback


@contextmanager
def _plain_lines(console: Console, title: str) -> Iterator[Callable[[Progress], None]]:
    """In a file."""
    last_shown = time.monotonic()

    def callback(now: Progress) -> None:
        nonlocal last_shown
        if time.monotonic() - last_shown >= _LINE_INTERVAL:
            last_shown = time.monotonic()
            console.print(f"{title}: {_fraction_done(now):.0%}, {_status(now)}", markup=False)

    yield callback


def _fraction_done(now: Progress) -> float:
    """How much of the training is done, as far as that is known."""
    if now.seconds_left is None:
        return 0.0
    seconds, left = max(now.seconds, 0.0), max(now.seconds_left, 0.0)
    return seconds / max(seconds + left, 1e-9)


def _status(now: Progress) -> str:
    validation = [] if now.validation_loss is None else [f"validation loss {now.validation_loss:.4g}"]
    left = [] if now.seconds_left is None else [f"{format_duration(now.seconds_left)} left"]
    return ", ".join([f"loss {now.loss:.4g}", *validation, *left])
