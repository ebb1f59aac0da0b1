"""A folder of more series than memory holds: learned from by a sample, forecast part by part."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import throughtime as tt
from throughtime.data.series import parquet

if TYPE_CHECKING:
    from pathlib import Path


def table(series: int, steps: int = 60, first: int = 0) -> pa.Table:
    t = np.arange(steps)
    names = np.arange(first, first + series)
    y = 10.0 + names[:, None] + (3 + names[:, None] % 3) * np.sin(2 * np.pi * t / 7) + (t * 7919 % 13) / 5
    ds = np.tile(np.datetime64("2024-01-01", "us") + t * np.timedelta64(1, "D"), series)
    return pa.table({"shop": np.repeat(names, steps), "day": ds, "sold": y.ravel()})


def named(source: pa.Table) -> pa.Table:
    return source.rename_columns(["unique_id", "ds", "y"])


COLUMNS = {"series": "shop", "time": "day", "target": "sold"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shops = tmp_path_factory.mktemp("shops")
    for i in range(3):
        pq.write_table(table(20, first=20 * i), shops / f"{i}.parquet", row_group_size=500)
    return shops


@pytest.fixture(scope="module")
def learned(folder: Path) -> tt.Forecaster:
    return tt.Forecaster(7, preset="fast", budget=2).fit(tt.ParquetSeries(folder, **COLUMNS, sample=12))


def test_what_learns_from_files_learns_from_their_sample(folder: Path, learned: tt.Forecaster) -> None:
    source = tt.ParquetSeries(folder, **COLUMNS, sample=12)
    assert sorted(set(source.read_sample()["unique_id"].to_pylist())) == learned.series_
    assert learned.notes_[0] == f"A sample of 12 of the 60 series of {folder} is learned from."


@pytest.mark.parametrize("rows", [100, 1000, 1_000_000])
def test_parts_are_forecast_as_all_at_once(
    rows: int, folder: Path, learned: tt.Forecaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_CHUNK_ROWS", rows)
    on_progress: list[int] = []
    source = tt.ParquetSeries(folder, **COLUMNS)
    count = learned.predict_parquet(
        source, tmp_path / "out.parquet", level=[80], horizon=10, on_progress=on_progress.append
    )
    actual = pl.read_parquet(tmp_path / "out.parquet")
    expected = pl.DataFrame(learned.predict(named(table(60)), level=[80], horizon=10))
    assert (count, on_progress[-1], actual.columns) == (60, 60, expected.columns)
    assert actual["ds"].equals(expected["ds"])
    assert actual["unique_id"].equals(expected["unique_id"])
    for column in expected.columns[2:]:
        np.testing.assert_allclose(actual[column], expected[column], rtol=1e-5)
    assert (pq.ParquetFile(tmp_path / "out.parquet").num_row_groups > 1) == (rows < 4000)


def test_columns_known_in_advance_are_read_from_rows_without_a_target(tmp_path: Path) -> None:
    days = np.tile(np.arange(67), 4)
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat(list("abcd"), 67),
            "ds": pd.Timestamp("2024-01-01") + pd.to_timedelta(days, unit="D"),
            "offer": (days * 7 % 5 == 0) * 1.0,
        }
    )
    frame["y"] = np.where(days < 60, 20.0 + days % 7 + 10 * frame["offer"], np.nan)
    frame.to_parquet(tmp_path / "all.parquet")
    source = tt.ParquetSeries(tmp_path)
    covariates = tt.Covariates(future=["offer"])
    learned = tt.Forecaster(7, preset="fast", budget=2, covariates=covariates).fit(source)
    assert learned.predict_parquet(source, tmp_path / "out.parquet") == 4
    forecast = pd.read_parquet(tmp_path / "out.parquet")
    expected = learned.predict(frame)
    pd.testing.assert_frame_equal(
        forecast.astype({"unique_id": object}), expected.astype(forecast.dtypes).astype({"unique_id": object})
    )
    gain = forecast["throughtime"].to_numpy() - (20.0 + (np.tile(np.arange(60, 67), 4) % 7))
    promoted = frame["offer"].to_numpy().reshape(4, -1)[:, 60:].ravel() > 0
    assert gain[promoted].mean() > gain[~promoted].mean() + 5


def test_a_fault_names_the_file_and_leaves_no_file(
    learned: tt.Forecaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    pq.write_table(table(20), directory / "good.parquet")
    hourly = table(5, first=100).to_pandas()
    hourly["day"] = pd.Timestamp("2024-01-01") + (hourly["day"] - pd.Timestamp("2024-01-01")) / 24
    pq.write_table(pa.Table.from_pandas(hourly, preserve_index=False), directory / "later.parquet")
    monkeypatch.setattr(parquet, "_CHUNK_ROWS", 1200)
    with pytest.raises(tt.InputError, match=r"data/good\.parquet to later\.parquet: df: expected the frequency"):
        learned.predict_parquet(tt.ParquetSeries(directory, **COLUMNS), tmp_path / "out.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_a_file_that_exists_stays_unless_it_may_be_replaced(
    folder: Path, learned: tt.Forecaster, tmp_path: Path
) -> None:
    out = tmp_path / "out.parquet"
    out.write_text("mine")
    source = tt.ParquetSeries(folder, **COLUMNS)
    with pytest.raises(tt.InputError, match=r"out\.parquet exists; name another file, or replace it with overwrite"):
        learned.predict_parquet(source, out)
    assert out.read_text() == "mine"
    assert learned.predict_parquet(source, out, overwrite=True) == 60
    assert pl.read_parquet(out).height == 60 * 7
    with pytest.raises(tt.InputError, match="cannot be written: No such file"):
        learned.predict_parquet(source, tmp_path / "nowhere" / "out.parquet")


PEAK = """
import resource, sys
import throughtime as tt
from throughtime.data.series import parquet

folder, out = sys.argv[1:]
parquet._CHUNK_ROWS = parquet._BATCH_ROWS = 50_000
source = tt.ParquetSeries(folder, series="shop", time="day", target="sold", sample=200)
tt.Forecaster(7, preset="fast", budget=1).fit(source).predict_parquet(source, out)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_series(tmp_path: Path) -> None:
    def peak(series: int) -> float:
        folder = tmp_path / str(series)
        folder.mkdir()
        for first in range(0, series, 10_000):
            pq.write_table(table(10_000, first=first), folder / f"{first:06}.parquet", row_group_size=50_000)
        command = [sys.executable, "-c", PEAK, folder, tmp_path / f"{series}.parquet"]
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True)
        return int(done.stdout) / 1024

    few, many = peak(10_000), peak(60_000)
    rows = 60 * 60_000 * 3 * 8 / 2**20
    assert rows > 80, "the rows of many series must weigh something"
    assert many - few < 25, f"{few:.0f} MiB became {many:.0f} MiB"
