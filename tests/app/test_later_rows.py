"""Forecasters from the command line over time: trained with any setting, scored on rows that came later."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.app.process import monthly, run_in_process, seasonal, write
from tests.tolerances import assert_close

import throughtime as tt

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("brief_trainings")

LATER = 20


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run of `train forecast` on all but the last rows of a series, with what it printed as JSON."""
    directory = tmp_path_factory.mktemp("later")
    lines = monthly(seasonal(72 + LATER))
    write(directory / "early.csv", lines[:-LATER])
    write(directory / "late.csv", [lines[0], *lines[-LATER:]])
    write(directory / "all.csv", lines)
    fast = ("--preset", "fast", "--set", "hidden_size=8", "--set", "levels=[50]", "--budget", "1s")
    out, _ = run_in_process(
        "train", "forecast", "early.csv", "--horizon", 6, *fast, "--out", "run", "--json", cwd=directory
    )
    return directory, json.loads(out)


def test_training_a_forecaster_is_the_job_of_forecast_with_any_setting(run: tuple[Path, dict[str, Any]]) -> None:
    directory, result = run
    assert {"model", "forecast", "report", "backtest", "verdict"} <= set(result)
    forecaster = tt.load(directory / "run" / "model")
    assert (forecaster.horizon, forecaster.hidden_size, forecaster.levels) == (6, 8, (50,))
    assert "throughtime-lo-50" in (directory / "run" / "forecast.csv").read_text().splitlines()[0]
    assert (directory / "run" / "report.html").is_file()
    assert json.loads((directory / "run" / "run.json").read_text())["settings"]["hidden_size"] == 8


def test_later_rows_are_scored_beside_the_naive_forecasts(run: tuple[Path, dict[str, Any]]) -> None:
    directory, _ = run
    files = ("late.csv", "all.csv")
    alone, among = (json.loads(run_in_process("evaluate", "run", file, "--json", cwd=directory)[0]) for file in files)
    assert alone["windows"] == LATER // 6
    assert {"throughtime", "naive", "seasonal_naive"} <= set(alone["scores"])
    assert alone["scores"]["naive"]["rmse"] == pytest.approx(among["scores"]["naive"]["rmse"])
    assert list(alone["coverage"]) == ["50"]
    out, err = run_in_process("evaluate", "run/model", "late.csv", cwd=directory)
    for words in ("seasonal naive", "Error by step", "with 95 % probability", f"{LATER // 6} held-out windows"):
        assert words in out
    assert "Target: column sales" not in err  # it is that of the training


def test_a_later_file_is_read_as_the_table_of_the_training_was(run: tuple[Path, dict[str, Any]]) -> None:
    directory, _ = run
    forecaster = tt.load(directory / "run" / "model")
    assert forecaster.table_format_ is not None
    assert (forecaster.table_format_["time"], forecaster.table_format_["targets"]) == ("month", ["sales"])
    forecaster.table_format_["numbers"]["sales"] = {"decimal": ",", "thousands": "."}
    forecaster.save(directory / "german")
    write(directory / "months.csv", ["month;sales", "2007-10-01;1.087"])
    out, _ = run_in_process("predict", "german", "months.csv", "--json", cwd=directory)
    assert 500 < json.loads(out)["forecast"][0]["throughtime"] < 2000


def test_rows_of_the_training_are_not_scored(run: tuple[Path, dict[str, Any]]) -> None:
    _, err = run_in_process("evaluate", "run", "early.csv", cwd=run[0], code=2)
    assert "early.csv: evaluate: expected rows after those that the forecaster was trained on, got none" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["evaluate", "run", "late.csv", "--label", "sales"],
            "--label does not apply to `forecast`; leave it out",
        ),
        (["predict", "run", "late.csv", "--text", "sales"], "--text does not apply to `forecast`; leave it out"),
        (["predict", "run", "lat.csv"], "lat.csv: there is no such file; did you mean late.csv?"),
        (["predict", "run", "late.csv", "--out", "all.csv"], "all.csv exists"),
        (["evaluate", "run", "nothing"], "nothing: there is no such file"),
        (["evaluate", "nowhere", "late.csv"], "nowhere does not exist"),
        (["train", "forecast", "eary.csv", "--horizon", "6"], "did you mean early.csv?"),
        (["forecast", "late.csv", "--horizon", "0"], "--horizon: expected a whole number of 1 or more, got 0"),
        (["explain", "nowhere"], "nowhere does not exist"),
        (["generate", "nowhere"], "nowhere does not exist"),
        (["export", "nowhere", "--to", "onnx"], "nowhere does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_name_is_told_before_torch_is_loaded(
    arguments: list[str], words: str, run: tuple[Path, dict[str, Any]]
) -> None:
    program = (
        "import sys\n"
        "from throughtime.app.cli import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print('torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=run[0], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert done.stdout == "False\n"


def test_a_forecast_of_fresh_rows_needs_no_torch(run: tuple[Path, dict[str, Any]]) -> None:
    program = (
        "import sys\n"
        "sys.modules['torch'] = None\n"  # its import fails
        "from throughtime.app.cli import main\n"
        "main()\n"
    )
    arguments = [sys.executable, "-c", program, "predict", "run", "early.csv", "--json"]
    done = subprocess.run(arguments, cwd=run[0], capture_output=True, text=True, check=True)
    forecast = [row["throughtime"] for row in json.loads(done.stdout)["forecast"]]
    expected = tt.load(run[0] / "run" / "model").predict()["throughtime"].to_list()
    assert_close(torch.tensor(forecast), torch.tensor(expected), "forward")


def test_a_classifier_is_not_explained(tmp_path: Path) -> None:
    write(tmp_path / "moods.tsv", ["label\ttext", *(f"{'+-'[i % 2]}\tfilm {i % 2}" for i in range(20))])
    run_in_process(
        "train", "classify", "moods.tsv", "--preset", "fast", "--set", "hidden_size=4", "--out", "run", cwd=tmp_path
    )
    _, err = run_in_process("explain", "run", cwd=tmp_path, code=2)
    assert "run/model: expected a forecaster or a network, got a SequenceClassifier" in err
