"""What a command shows a person: notes and progress on stderr, results on stdout."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from throughtime._core.escaping import escape_controls, escape_line
from throughtime.app.scores import MEASURES, best_scores, format_score, method_label
from throughtime.training._progress_bar import format_duration, progress_bar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from throughtime import training
    from throughtime.tasks.classification_metrics import Evaluation
    from throughtime.tasks.forecasting import Backtest

_MAX_CLASSES = 30  # rows of a table


class ConsoleOutput:
    """Both streams of a command. Colours follow NO_COLOR, and text from data cannot control the terminal."""

    def __init__(self) -> None:
        self._stderr = Console(stderr=True, highlight=False, soft_wrap=True)
        self._stdout = Console(highlight=False, soft_wrap=True)

    def say(self, *notes: str) -> None:
        """Print notes to stderr, each in one line."""
        for note in notes:
            self._stderr.print(escape_line(note), style="dim", markup=False)

    def show(self, text: str, *, style: str = "") -> None:
        """Print text of the result."""
        self._stdout.print(escape_controls(text), style=style, markup=False)

    def table(self, table: Table) -> None:
        """Print a table of the result; brackets in its cells are text, not names of styles."""
        table.title = None if table.title is None else _as_text(table.title)
        for column in table.columns:
            column.header = _as_text(column.header)
            column._cells = [_as_text(cell) for cell in column.cells]  # noqa: SLF001 - rich has no other way
        self._stdout.print(table)

    def write(self, text: str) -> None:
        """Write the content of a file to stdout: unchanged, unless stdout is a terminal."""
        sys.stdout.write(escape_controls(text) if sys.stdout.isatty() else text)
        sys.stdout.flush()

    @contextmanager
    def progress(self, title: str) -> Iterator[Callable[[training.Progress], None]]:
        """Yield a callback for a training, and print how long it took."""
        started = time.monotonic()
        with progress_bar(title, console=self._stderr) as callback:
            yield callback
        self.say(f"{title}: done in {format_duration(time.monotonic() - started)}")

    @contextmanager
    def counting(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """Yield a callback for the number of finished series, and print how long all took."""
        started = time.monotonic()
        with self._stderr.status(title) as status:
            yield lambda done: status.update(f"{title}: {done:,} of {total:,} series")
        self.say(f"{title}: {total:,} series in {format_duration(time.monotonic() - started)}")

    def scores(self, backtest: Backtest, cell: str) -> None:
        """Print the scores of a backtest, the best of each column in bold."""
        table = Table(box=box.SIMPLE_HEAD, title=f"Backtest, held-out windows: {backtest.windows}")
        table.add_column("forecast")
        for name in MEASURES.values():
            table.add_column(name, justify="right")
        lowest = best_scores(backtest)
        for method, score in backtest.scores.items():
            cells = [Text(format_score(score[m]), style="bold" if score[m] == lowest[m] else "") for m in MEASURES]
            table.add_row(method_label(method, cell), *cells)
        self.table(table)

    def classes(self, evaluation: Evaluation, what: str) -> None:
        """Print precision, recall and F1 of each class, the most frequent first; `what` names the items."""
        table = Table(box=box.SIMPLE_HEAD, title=f"{what[0].upper()}{what[1:]}: {evaluation.count}")
        for name in ("class", "precision", "recall", "F1", "count"):
            table.add_column(name, justify="left" if name == "class" else "right")
        counts = evaluation.confusion.sum(1)
        for i in counts.argsort()[::-1][:_MAX_CLASSES]:
            values = (evaluation.precision[i], evaluation.recall[i], evaluation.f1[i])
            cells = [Text(f"{100 * value:.1f} %") for value in values]
            table.add_row(Text(str(evaluation.classes[i])), *cells, Text(str(counts[i])))
        self.table(table)


def _as_text(cell: Any) -> Any:
    """Return a cell as text in one line, without the styles that its own text asks for."""
    if isinstance(cell, Text):
        return Text(escape_line(cell.plain), style=cell.style)
    return Text(escape_line(cell)) if isinstance(cell, str) else cell
