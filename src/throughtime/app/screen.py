"""What a person sees: notes and progress on stderr, results on stdout."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from throughtime.app.scores import MEASURES, best, label, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from throughtime import training
    from throughtime.tasks.evaluation import Evaluation
    from throughtime.tasks.forecasting import Backtest

_PAUSE = 5.0  # seconds between plain lines of progress
_MOST_CLASSES = 30  # rows of a table


class Screen:
    """A terminal, or whatever stands in for one. Colours follow NO_COLOR."""

    def __init__(self) -> None:
        self._errors = Console(stderr=True, highlight=False, soft_wrap=True)
        self._out = Console(highlight=False, soft_wrap=True)

    def say(self, *notes: str) -> None:
        """Tell something beside the result."""
        for note in notes:
            self._errors.print(note, style="dim", markup=False)

    def show(self, text: str, *, style: str = "") -> None:
        """Print a line of the result."""
        self._out.print(text, style=style, markup=False)

    def table(self, table: Table) -> None:
        """Print a table of the result."""
        self._out.print(table)

    @contextmanager
    def progress(self, title: str) -> Iterator[Callable[[training.Progress], None]]:
        """A callback for a training, and then a line on how long it took."""
        started = time.monotonic()
        with _bar(self._errors, title) if self._errors.is_terminal else _lines(self._errors, title) as callback:
            yield callback
        self.say(f"{title}: done in {_duration(time.monotonic() - started)}")

    def scores(self, backtest: Backtest, cell: str) -> None:
        """The table of scores, the best of each column in bold."""
        table = Table(box=box.SIMPLE_HEAD, title=f"Backtest, held-out windows: {backtest.windows}")
        table.add_column("forecast")
        for name in MEASURES.values():
            table.add_column(name, justify="right")
        lowest = best(backtest)
        for method, score in backtest.scores.items():
            cells = [Text(written(score[m]), style="bold" if score[m] == lowest[m] else "") for m in MEASURES]
            table.add_row(label(method, cell), *cells)
        self.table(table)

    def classes(self, evaluation: Evaluation) -> None:
        """The table of precision, recall and F1 of each class, the most frequent first."""
        table = Table(box=box.SIMPLE_HEAD, title=f"Unseen: {evaluation.count}")
        for name in ("class", "precision", "recall", "F1", "count"):
            table.add_column(name, justify="left" if name == "class" else "right")
        counts = evaluation.confusion.sum(1)
        for i in counts.argsort()[::-1][:_MOST_CLASSES]:
            values = (evaluation.precision[i], evaluation.recall[i], evaluation.f1[i])
            cells = [Text(f"{100 * value:.1f} %") for value in values]
            table.add_row(Text(str(evaluation.classes[i])), *cells, Text(str(counts[i])))
        self.table(table)


@contextmanager
def _bar(console: Console, title: str) -> Iterator[Callable[[training.Progress], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}", style="dim"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=1.0, state="")

        def callback(now: training.Progress) -> None:
            bar.update(task, completed=_share(now), state=_state(now))

        yield callback


@contextmanager
def _lines(console: Console, title: str) -> Iterator[Callable[[training.Progress], None]]:
    told = time.monotonic()

    def callback(now: training.Progress) -> None:
        nonlocal told
        if time.monotonic() - told >= _PAUSE:
            told = time.monotonic()
            console.print(f"{title}: {_share(now):.0%}, {_state(now)}", markup=False)

    yield callback


def _share(now: training.Progress) -> float:
    """How much of the training is done, as far as that is known."""
    if now.seconds_left is None:
        return 0.0
    return now.seconds / max(now.seconds + now.seconds_left, 1e-9)


def _state(now: training.Progress) -> str:
    validation = [] if now.validation_loss is None else [f"validation loss {now.validation_loss:.4g}"]
    left = [] if now.seconds_left is None else [f"{_duration(now.seconds_left)} left"]
    return ", ".join([f"loss {now.loss:.4g}", *validation, *left])


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
