"""Progress of a training: a bar in a notebook or on a terminal, plain lines elsewhere."""

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
_NOTEBOOK_INTERVAL = 0.1  # seconds between two updates of a bar in a notebook


@contextmanager
def progress_bar(title: str = "training", *, console: Console | None = None) -> Iterator[Callable[[Progress], None]]:
    """Return a callback for `fit` that shows its progress: the loss, the validation loss and the time left.

    Args:
        title: of the bar.
        console: of rich; None for one on stderr.

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
    """Return seconds as text: '1.5 s', '45 s', '3 min 7 s'."""
    seconds = max(seconds, 0.0)
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes} min {rest} s"


@contextmanager
def _notebook_bar(_: Console, title: str) -> Iterator[Callable[[Progress], None]]:
    """Show a bar in a notebook, which stays."""
    from IPython.display import HTML, display  # pyright: ignore[reportMissingImports]  installed in every notebook

    def render(fraction: float, status: str) -> Any:
        return HTML(f"{escape(title)} <progress value='{fraction:.3f}'></progress> {escape(status)}")

    display_handle: Any = display(render(0.0, ""), display_id=True)
    last_shown, status = 0.0, ""

    def callback(progress: Progress) -> None:
        nonlocal last_shown, status
        status = _status(progress)
        if time.monotonic() - last_shown >= _NOTEBOOK_INTERVAL:
            last_shown = time.monotonic()
            display_handle.update(render(_fraction_done(progress), status))

    yield callback
    display_handle.update(render(1.0, status))


@contextmanager
def _terminal_bar(console: Console, title: str) -> Iterator[Callable[[Progress], None]]:
    """Show a bar on a terminal, which disappears at the end."""
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as ProgressBar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[status]}", style="dim"),
    )
    with ProgressBar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=1.0, status="")

        def callback(progress: Progress) -> None:
            bar.update(task, completed=_fraction_done(progress), status=_status(progress))

        yield callback


@contextmanager
def _plain_lines(console: Console, title: str) -> Iterator[Callable[[Progress], None]]:
    """Print a line every few seconds."""
    last_shown = time.monotonic()

    def callback(progress: Progress) -> None:
        nonlocal last_shown
        if time.monotonic() - last_shown >= _LINE_INTERVAL:
            last_shown = time.monotonic()
            console.print(f"{title}: {_fraction_done(progress):.0%}, {_status(progress)}", markup=False)

    yield callback


def _fraction_done(progress: Progress) -> float:
    """Return the fraction of the training that is done; 0 if it cannot be predicted."""
    if progress.seconds_left is None:
        return 0.0
    seconds, left = max(progress.seconds, 0.0), max(progress.seconds_left, 0.0)
    return seconds / max(seconds + left, 1e-9)


def _status(progress: Progress) -> str:
    validation = [] if progress.validation_loss is None else [f"validation loss {progress.validation_loss:.4g}"]
    left = [] if progress.seconds_left is None else [f"{format_duration(progress.seconds_left)} left"]
    return ", ".join([f"loss {progress.loss:.4g}", *validation, *left])
