"""A model over several weeks by the commands: forecasts are logged, compared with what came, and learned from."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.app.process import monthly, run_in_process, seasonal, write

import throughtime as tt
from throughtime import runtime
from throughtime.app.jobs.forecast_logging import predict_and_log
from throughtime.inference.forecasting import forecast_log
from throughtime.io import directory as directories

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("brief_trainings")

LATER = 12


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("monday")
    lines = monthly(seasonal(96 + LATER))
    write(directory / "early.csv", lines[:-LATER])
    write(directory / "next.csv", lines[: -LATER + 1])
    write(directory / "all.csv", lines)
    values = [float(line.split(",")[1]) for line in lines[1:]]
    shifted = [value * 1.5 ** max(i - 95, 0) for i, value in enumerate(values)]
    write(directory / "shifted.csv", monthly(shifted))
    fast = ("--preset", "fast", "--budget", "1s", "--out", "run", "--json")
    run_in_process("forecast", "early.csv", "--horizon", 6, *fast, cwd=directory)
    return directory


@pytest.fixture
def year(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run, as each test changes it."""
    shutil.copytree(trained, tmp_path / "year")
    return tmp_path / "year"


def test_a_forecast_and_a_prediction_are_logged_and_compared(year: Path) -> None:
    run_in_process("predict", "run", "next.csv", "--json", cwd=year)
    out, _ = run_in_process("monitor", "run", "all.csv", "--json", "--out", "due.csv", cwd=year)
    result = json.loads(out)
    assert [forecast["steps"] for forecast in result["by_forecast"]] == [1, 6]
    assert not result["drift"]
    assert (year / "due.csv").read_text().splitlines()[0].startswith("unique_id,ds,cutoff,y,throughtime,")
    assert len((year / "due.csv").read_text().splitlines()) == 1 + 7


def test_drift_has_an_exit_code_of_its_own_and_says_what_to_do(year: Path) -> None:
    forecaster = tt.load(year / "run")
    assert len(forecast_log.read(forecaster.forecast_log_)) == 1
    for months in range(97, 104):
        lines = (year / "shifted.csv").read_text().splitlines()
        write(year / "so_far.csv", lines[: months + 1])
        run_in_process("predict", "run", "so_far.csv", "--json", cwd=year)
    out, _ = run_in_process("monitor", "run", "shifted.csv", "--false-alarms", 0.9, cwd=year, code=3)
    assert "Drift since" in out
    assert "throughtime update" in out


def test_a_rate_that_is_no_probability_is_refused(year: Path) -> None:
    _, err = run_in_process("monitor", "run", "all.csv", "--false-alarms", 2, cwd=year, code=2)
    assert "--false-alarms: expected a probability between 0 and 1, got 2" in err


def test_an_update_replaces_the_model_once_and_keeps_the_log(year: Path) -> None:
    out, _ = run_in_process("update", "run", "all.csv", "--budget", "1s", "--json", cwd=year)
    result = json.loads(out)
    assert (result["changed"], result["rows"], result["last"]) == (True, LATER, "2008-12-01")
    assert len(forecast_log.read(tt.load(year / "run").forecast_log_)) == 2  # a forecast and the update
    before = {path.name: path.read_bytes() for path in (year / "run" / "model").iterdir()}
    out, _ = run_in_process("update", "run", "all.csv", cwd=year)
    assert "Nothing new" in out
    assert before == {path.name: path.read_bytes() for path in (year / "run" / "model").iterdir()}
    _, err = run_in_process("evaluate", "run", "all.csv", cwd=year, code=2)
    assert "expected rows after those" in err


def test_another_directory_leaves_the_model_as_it_was(year: Path) -> None:
    before = (year / "run" / "model" / "model.safetensors").read_bytes()
    run_in_process("update", "run", "all.csv", "--budget", "1s", "--out", "second", cwd=year)
    assert (year / "run" / "model" / "model.safetensors").read_bytes() == before
    assert tt.load(year / "second").update_ is None
    run_in_process("predict", "second", "all.csv", "--json", cwd=year)


def test_another_table_is_refused(year: Path) -> None:
    write(year / "other.csv", monthly([7.0 * value for value in range(1, 100)]))
    _, err = run_in_process("update", "run", "other.csv", cwd=year, code=2)
    assert "these are not later rows of the same table" in err


def test_one_step_of_a_horizon_is_scored(year: Path) -> None:
    out, _ = run_in_process("evaluate", "run", "next.csv", "--json", cwd=year)
    result = json.loads(out)
    assert result["windows"] == 1
    assert result["by_step"]["throughtime"][0] > 0
    assert result["by_step"]["throughtime"][1:] == [None] * 5
    assert result["verdict"].endswith("It is scored on the first 1 of 6 steps alone.")


def test_forecasts_at_the_same_time_are_all_logged(year: Path) -> None:
    model, lines = year / "run" / "model", [b"%d\n" % i for i in range(40)]

    def append(line: bytes) -> None:
        with directories.locked(model):
            directories.write_forecasts(model, forecast_log.append(directories.read_forecasts(model), line))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, lines))
    assert set(lines) <= set(directories.read_forecasts(model).splitlines(keepends=True))


def test_a_log_that_cannot_be_written_does_not_keep_the_forecast_back(year: Path) -> None:
    log = year / "run" / "model" / directories.FORECASTS
    model = runtime.load(year / "run" / "model")
    log.unlink()
    log.symlink_to(year / "all.csv")
    with pytest.warns(UserWarning, match="The forecast is not logged for throughtime monitor"):
        assert len(predict_and_log(model, year / "run" / "model")) == 6
    assert (year / "all.csv").read_text().startswith("month")


def test_a_run_is_replaced_with_its_log(year: Path) -> None:
    record = json.loads((year / "run" / "run.json").read_text())
    record["files"].remove("model/forecasts.jsonl")
    (year / "run" / "run.json").write_text(json.dumps(record))
    fast = ("--preset", "fast", "--budget", "1s", "--out", "run", "--overwrite", "--json")
    run_in_process("forecast", "early.csv", "--horizon", 6, *fast, cwd=year)
    assert len(forecast_log.read(tt.load(year / "run").forecast_log_)) == 1
