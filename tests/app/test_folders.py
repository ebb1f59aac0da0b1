"""A folder of Parquet files on the command line: a sample to learn from, all of it forecast."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from tests.app.process import inside

if TYPE_CHECKING:
    from pathlib import Path

SERIES, STEPS = 30, 50


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("folders")
    (found / "shops").mkdir()
    t = np.tile(np.arange(STEPS), SERIES)
    frame = pl.DataFrame({"store": np.repeat([f"s{i:02}" for i in range(SERIES)], STEPS), "n": t})
    frame = frame.with_columns(
        day=pl.date(2024, 1, 1) + pl.duration(days=pl.col("n")),
        sold=10.0 + 3 * (pl.col("n") % 7) + pl.col("n") * 7919 % 13 / 5,
    ).drop("n")
    frame.head(700).write_parquet(found / "shops" / "a.parquet")
    frame.tail(-700).write_parquet(found / "shops" / "b.parquet")
    options = ["--preset", "fast", "--budget", "2s", "--sample", "10", "--json"]
    out, err = inside("forecast", "shops", "--horizon", "7", *options, "--out", "run", cwd=found)
    (found / "said.json").write_text(out)
    (found / "said.txt").write_text(err)
    return found


def test_all_series_are_forecast_though_some_are_learned_from(place: Path) -> None:
    result, said = json.loads((place / "said.json").read_text()), (place / "said.txt").read_text()
    assert (result["series"], result["forecast"]) == (SERIES, "run/forecast.parquet")
    found = pl.read_parquet(place / result["forecast"])
    assert found["unique_id"].n_unique() == SERIES
    assert found.height == SERIES * 7
    assert str(found["ds"].min()) == "2024-02-20"
    assert "A sample of 10 of the 30 series of shops is learned from." in said
    assert "Forecast: 30 series in" in said
    assert "all of them are in forecast.parquet" in (place / "run" / "report.html").read_text()


def test_a_model_forecasts_a_folder_into_a_parquet_file(place: Path) -> None:
    out, _ = inside("predict", "run", "shops", "--out", "again.parquet", "--json", cwd=place)
    assert json.loads(out)["series"] == SERIES
    assert pl.read_parquet(place / "again.parquet").equals(pl.read_parquet(place / "run" / "forecast.parquet"))


def test_a_folder_can_be_backtested_by_its_sample(place: Path) -> None:
    options = ["--horizon", "7", "--preset", "fast", "--windows", "1", "--out", "past.csv"]
    _, said = inside("backtest", "shops", *options, cwd=place)
    assert "All 30 series of shops are learned from." in said
    assert pl.read_csv(place / "past.csv")["unique_id"].n_unique() == SERIES


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "run", "shops"], "--out: expected a Parquet file for forecasts of a folder, such as all.parquet"),
        (
            ["predict", "run", "shops", "--out", "x.parquet", "--future-data", "f.csv"],
            "--future-data: a folder tells of the future in rows of its own",
        ),
        (["predict", "run", "shops", "--out", "run/forecast.parquet"], "--out: run/forecast.parquet exists"),
        (["forecast", "run", "--horizon", "7", "--target", "x"], "has no column x"),
        (["forecast", "run/model", "--horizon", "7"], "no name in it ends in .parquet"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: list[str], message: str, place: Path) -> None:
    assert message in inside(*arguments, cwd=place, code=2)[1]


def test_columns_that_a_folder_needs_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    pl.DataFrame({"y": [1.0, 2.0], "z": [1.0, 2.0]}).write_parquet(tmp_path / "data" / "a.parquet")
    assert "--time: name the column" in inside("forecast", "data", "--horizon", "1", cwd=tmp_path, code=2)[1]
    frame = pl.DataFrame({"ds": [1, 2], "y": [1.0, 2.0], "z": [1.0, 2.0]})
    frame.write_parquet(tmp_path / "data" / "a.parquet")
    assert "--series: name the column" in inside("forecast", "data", "--horizon", "1", cwd=tmp_path, code=2)[1]
    frame.with_columns(id=1).write_parquet(tmp_path / "data" / "a.parquet")
    several = ["--target", "y,z"]
    said = inside("forecast", "data", "--horizon", "1", *several, cwd=tmp_path, code=2)[1]
    assert "--target: expected one column of a folder, got y, z" in said
