"""`throughtime tune`: trials on the screen, in a file from which a search continues, and finally in a run directory."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import polars as pl
import pytest
from tests.app.process import monthly, run_in_process, seasonal, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("brief_trainings")

FAST = ("--horizon", 6, "--preset", "fast", "--budget", "0.3s", "--search", "hidden_size,dropout")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path / "data.csv", monthly(seasonal()))
    return tmp_path


def test_a_run_holds_the_model_its_forecast_and_the_trials(data: Path) -> None:
    out, err = run_in_process("tune", "data.csv", *FAST, "--trials", 2, "--out", "run", "--json", cwd=data)
    output = json.loads(out)
    assert sorted(os.listdir(data)) == ["data.csv", "run"]
    assert sorted(os.listdir(data / "run")) == [
        "forecast.csv",
        "model",
        "report.html",
        "run.json",
        "scores.csv",
        "table.csv",
        "totals.csv",
        "trials.csv",
        "trials.db",
    ]
    assert pl.read_csv(data / "run" / "trials.csv")["mase"].to_list() == [trial["mase"] for trial in output["trials"]]
    assert output["best"] in output["trials"]
    assert output["kept"] in output["later"]
    assert "Trial 2 of 2: MASE" in err
    assert pl.read_csv(data / "run" / "forecast.csv").height == 6
    assert run_in_process("predict", "run", "data.csv", cwd=data)[0].count("\n") == 7


def test_the_same_command_goes_on_with_the_trials_of_a_file(data: Path) -> None:
    arguments = ("tune", "data.csv", *FAST, "--storage", "trials.db")
    first, _ = run_in_process(*arguments, "--trials", 1, "--out", "one", "--json", cwd=data)
    out, err = run_in_process(*arguments, "--trials", 2, "--out", "two", cwd=data)
    assert f"{json.loads(first)['trials'][0]['mase']:.4g}" in err
    assert "as given" in out
    assert "later MASE" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--search", "colour"), "--search: expected some of cell, hidden_size"),
        (("--windows", 7), "--windows: expected a series of"),
        (("--storage", "data.csv"), "--storage: expected a file of trials"),
        (("--cell", "grub"), "--cell: expected one of rnn, gru, lstm, got 'grub'"),
    ],
)
def test_what_cannot_be_searched_is_refused(data: Path, arguments: tuple[object, ...], sentence: str) -> None:
    _, err = run_in_process("tune", "data.csv", "--horizon", 6, *arguments, cwd=data, code=2)
    assert sentence in err
    assert os.listdir(data) == ["data.csv"]


@pytest.mark.parametrize("verb", ["tune", "compare", "backtest"])
def test_unknown_workers_are_refused(data: Path, verb: str) -> None:
    _, err = run_in_process(verb, "data.csv", "--horizon", 6, "--workers", "dask", cwd=data, code=2)
    assert "--workers: expected ray, or the address of a Ray cluster" in err
    assert os.listdir(data) == ["data.csv"]


def test_an_interrupted_search_leaves_its_trials_and_no_run(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from throughtime.tasks.forecasting.evaluation import backtest
    from throughtime.tasks.forecasting.search import tuning

    def run(*arguments: object, **options: object) -> object:
        if len(called) == 1:
            raise KeyboardInterrupt
        called.append(1)
        return real(*arguments, **options)

    called: list[int] = []
    real = backtest.run
    monkeypatch.setattr(tuning.backtest, "run", run)
    _, err = run_in_process("tune", "data.csv", *FAST, "--trials", 3, "--out", "run", cwd=data, code=130)
    assert "the same command continues" in err
    assert sorted(os.listdir(data)) == ["data.csv", "run.trials.db"]
    monkeypatch.undo()
    _, err = run_in_process("tune", "data.csv", *FAST, "--trials", 2, "--out", "run", cwd=data)
    assert sorted(os.listdir(data)) == ["data.csv", "run"]
