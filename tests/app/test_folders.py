"""A folder of Parquet files on the command line: a sample to learn from, all of it forecast."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from tests.app.process import run_in_process

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("brief_trainings")

SERIES, STEPS = 30, 50


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("folders")
    (directory / "shops").mkdir()
    t = np.tile(np.arange(STEPS), SERIES)
    frame = pl.DataFrame({"store": np.repeat([f"s{i:02}" for i in range(SERIES)], STEPS), "n": t})
    frame = frame.with_columns(
        day=pl.date(2024, 1, 1) + pl.duration(days=pl.col("n")),
        sold=10.0 + 3 * (pl.col("n") % 7) + pl.col("n") * 7919 % 13 / 5,
    ).drop("n")
    frame.head(700).write_parquet(directory / "shops" / "a.parquet")
    frame.tail(-700).write_parquet(directory / "shops" / "b.parquet")
    options = ["--preset", "fast", "--budget", "2s", "--sample", "10", "--json"]
    out, err = run_in_process("forecast", "shops", "--horizon", "7", *options, "--out", "run", cwd=directory)
    (directory / "said.json").write_text(out)
    (directory / "said.txt").write_text(err)
    return directory


def test_all_series_are_forecast_though_some_are_learned_from(directory: Path) -> None:
    result, message = json.loads((directory / "said.json").read_text()), (directory / "said.txt").read_text()
    assert (result["series"], result["forecast"]) == (SERIES, "run/forecast.parquet")
    frame = pl.read_parquet(directory / result["forecast"])
    assert frame["unique_id"].n_unique() == SERIES
    assert frame.height == SERIES * 7
    assert str(frame["ds"].min()) == "2024-02-20"
    assert "A sample of 10 of the 30 series of shops is learned from." in message
    assert "Forecast: 30 series in" in message
    assert "all of them are in forecast.parquet" in (directory / "run" / "report.html").read_text()


def test_a_model_forecasts_a_folder_into_a_parquet_file(directory: Path) -> None:
    out, _ = run_in_process("predict", "run", "shops", "--out", "again.parquet", "--json", cwd=directory)
    assert json.loads(out)["series"] == SERIES
    assert pl.read_parquet(directory / "again.parquet").equals(pl.read_parquet(directory / "run" / "forecast.parquet"))


def test_a_folder_can_be_backtested_by_its_sample(directory: Path) -> None:
    options = ["--horizon", "7", "--preset", "fast", "--windows", "1", "--out", "past.csv"]
    _, err = run_in_process("backtest", "shops", *options, cwd=directory)
    assert "All 30 series of shops are learned from." in err
    assert pl.read_csv(directory / "past.csv")["unique_id"].n_unique() == SERIES


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "run", "shops"], "--out: expected a Parquet file for forecasts of a folder, such as all.parquet"),
        (
            ["predict", "run", "shops", "--out", "x.parquet", "--future-data", "f.csv"],
            "--future-data does not apply to a folder",
        ),
        (["predict", "run", "shops", "--out", "run/forecast.parquet"], "--out: run/forecast.parquet exists"),
        (["forecast", "run", "--horizon", "7", "--target", "x"], "has no column x"),
        (["forecast", "run/model", "--horizon", "7"], "expected tables in the folder"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: list[str], message: str, directory: Path) -> None:
    assert message in run_in_process(*arguments, cwd=directory, code=2)[1]


def test_columns_that_a_folder_needs_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    pl.DataFrame({"y": [1.0, 2.0], "z": [1.0, 2.0]}).write_parquet(tmp_path / "data" / "a.parquet")
    assert "--time: name the column" in run_in_process("forecast", "data", "--horizon", "1", cwd=tmp_path, code=2)[1]
    frame = pl.DataFrame({"ds": [1, 2], "y": [1.0, 2.0], "z": [1.0, 2.0]})
    frame.write_parquet(tmp_path / "data" / "a.parquet")
    assert "--series: name the column" in run_in_process("forecast", "data", "--horizon", "1", cwd=tmp_path, code=2)[1]
    frame.with_columns(id=1).write_parquet(tmp_path / "data" / "a.parquet")
    several = ["--target", "y,z"]
    err = run_in_process("forecast", "data", "--horizon", "1", *several, cwd=tmp_path, code=2)[1]
    assert "--target: expected one column of a folder, got y, z" in err
