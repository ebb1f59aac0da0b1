"""Summaries of models, and the progress of their training."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from rich.console import Console

import throughtime as tt
from throughtime import nn, training


def lines_of(console: Console) -> str:
    """What a console shows of a training of some hundred updates."""
    x = torch.randn(12, 3, 2)
    with training.progress_bar("a <net>", console=console) as bar:
        stop = [training.Epochs(3)]
        training.fit(nn.ManyToMany(nn.RNN(2, 4), 2), [training.Batch(x, x)] * 40, stop=stop, callbacks=[bar])
    return str(console.file.getvalue())  # pyright: ignore[reportAttributeAccessIssue]


def test_a_summary_counts_every_weight_once() -> None:
    inner = nn.GRU(4, 4)
    model = torch.nn.Sequential(torch.nn.Embedding(3, 4), inner, torch.nn.ModuleList([inner, nn.LSTMCell(2, 3)]))
    model[0].weight.requires_grad_(requires_grad=False)
    result = nn.summary(model)
    assert result.weights == sum(p.numel() for p in model.parameters())
    assert result.weights - result.trainable == 12
    assert [(row.name, row.weights) for row in result.rows][1] == ("1", sum(p.numel() for p in inner.parameters()))
    assert "12 of them fixed" in str(result)


def test_a_summary_of_a_run_tells_shapes_and_paths() -> None:
    layer = nn.LSTM(3, 8, 2, bidirectional=True, batch_first=True)
    plain = nn.summary(nn.ManyToOne(layer, 4), torch.zeros(2, 5, 3), lengths=[5, 1])
    assert {row.name: row.output for row in plain.rows} == {"layer": (2, 5, 16), "output": (2, 4), "pooling": (2, 16)}
    assert plain.rows[0].path == tt.which_path(layer, torch.zeros(2, 5, 3))
    assert "reference" in str(nn.summary(nn.GRU(3, 8, layer_norm=True), torch.zeros(5, 2, 3)))


@pytest.mark.parametrize("model", [nn.GRU(1, 4), nn.GRUCell(1, 4), nn.ManyToMany(nn.RNN(1, 4), 1)], ids=repr)
def test_a_model_shows_itself_in_a_notebook(model: Any) -> None:
    page = model._repr_html_()
    assert page == nn.summary(model)._repr_html_()
    assert page.count("<tr>") == 1 + len(nn.summary(model).rows)


def test_the_table_of_a_notebook_is_escaped() -> None:
    model = torch.nn.Sequential()
    model.add_module("<b>", torch.nn.ReLU())
    assert "&lt;b&gt;" in nn.summary(model)._repr_html_()


def test_a_terminal_has_a_bar_that_goes_away() -> None:
    seen = lines_of(Console(file=io.StringIO(), force_terminal=True, width=100, legacy_windows=False))
    assert "a <net>" in seen
    assert "loss" in seen
    assert seen.rstrip("\n").endswith("\x1b[2K")  # the line is wiped


def test_a_file_has_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lines_of(Console(file=io.StringIO())) == ""
    monkeypatch.setattr("throughtime.training._progress_bar._LINE_INTERVAL", 0.0)
    lines = lines_of(Console(file=io.StringIO())).splitlines()
    assert len(lines) >= 3
    assert all(line.startswith("a <net>: ") and "loss" in line for line in lines)


def test_a_notebook_has_a_bar_that_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    states: list[str] = []

    def display(state: str, *, display_id: bool) -> Any:
        assert display_id
        states.append(state)
        return SimpleNamespace(update=states.append)

    page = SimpleNamespace(HTML=str, display=display)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(display=page))
    monkeypatch.setitem(sys.modules, "IPython.display", page)
    console = Console(file=io.StringIO(), force_jupyter=True)
    assert lines_of(console) == ""
    assert len(states) >= 2
    assert all(state.startswith("a &lt;net&gt; <progress") for state in states)
    assert "value='1.000'" in states[-1]
    assert "loss" in states[-1]


@dataclass(frozen=True)
class PastItsEnd:
    """A custom criterion that reports more than all of the training as done."""

    check_every_update: ClassVar[bool] = True

    def should_stop(self, progress: training.Progress, history: training.History) -> bool:
        return progress.updates >= 3

    def fraction_done(self, progress: training.Progress) -> float:
        return 1.06

    def max_updates(self, progress: training.Progress) -> float:
        return 3 - progress.updates


def test_no_training_has_less_than_no_time_left() -> None:
    x, seen = torch.randn(4, 2, 2), []
    model = nn.ManyToMany(nn.RNN(2, 4), 2)
    training.fit(model, [training.Batch(x, x)] * 9, stop=[PastItsEnd()], callbacks=[seen.append])
    assert [progress.seconds_left for progress in seen] == [0.0] * len(seen) != []


@pytest.mark.parametrize(
    ("seconds", "seconds_left", "shown"),
    [(53.0, -3.0, "100%"), (-1.0, 4.0, "0%"), (0.0, 0.0, "0%"), (1.0, 3.0, "25%")],
)
def test_no_bar_shows_less_than_nothing_or_more_than_all(
    seconds: float, seconds_left: float, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("throughtime.training._progress_bar._LINE_INTERVAL", 0.0)
    console = Console(file=io.StringIO())
    progress = training.Progress(1, None, 1, 0.5, None, 1.0, seconds, seconds_left)
    with training.progress_bar(console=console) as bar:
        bar(progress)
    line = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    assert line == f"training: {shown}, loss 0.5, {max(seconds_left, 0.0):.1f} s left\n"
