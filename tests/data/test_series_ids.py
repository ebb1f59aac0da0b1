"""Names of series are recognized whatever type their column has, and refused where they may be two things."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import throughtime as tt
from throughtime import InputError
from throughtime.data.series.frames import FrameColumn, read_frame, read_later_frame
from throughtime.data.series.series_ids import read_series_ids


def names(column: Any, training_ids: Any = ()) -> list[Any]:
    series = pd.Series(column, dtype=object) if isinstance(column, list) else column
    return read_series_ids(FrameColumn(nw.from_native(series, series_only=True)), training_ids).tolist()


SAME = [
    ["1", "2"],
    ["1 ", "\u00a02"],
    [1, 2],
    [1.0, 2.0],
    [np.int64(1), np.float64(2)],
    [Decimal("1.00"), Decimal(2)],
    pd.Series(["1", "2"], dtype="category"),
    pd.Series([1, 2], dtype="Int64"),
    pl.Series([1.0, 2.0]),
    pl.Series([Decimal(1), Decimal(2)]),
    pl.Series(["1", "2"], dtype=pl.Categorical),
    pa.chunked_array([pa.array(["1", "2"]).dictionary_encode()]),
]


@pytest.mark.parametrize("column", SAME, ids=lambda column: f"{type(column).__name__} {column!r}"[:40])
def test_a_series_keeps_its_name_from_training_whatever_the_type(column: Any) -> None:
    assert names(column) in ([1, 2], ["1", "2"])
    assert names(column, [1, 2]) == [1, 2]
    assert names(column, ["1", "2"]) == ["1", "2"]


def test_other_names_are_other_series() -> None:
    assert names(["1", "01", "a", "A"], ["1", "a"]) == ["1", "01", "a", "A"]
    assert names([1.5, 2.0]) == ["1.5", "2"]
    assert names(["9" * 20, "e\u0301"]) == ["9" * 20, "é"]
    assert names([10**20, 1]) == [str(10**20), "1"]
    assert names([UUID(int=1)]) == [str(UUID(int=1))]
    assert names([3, 4], ["a"]) == ["3", "4"]


@pytest.mark.parametrize(
    ("column", "training_ids", "message"),
    [
        (["a", 1], (), "names of one type, got 'a' .str. in row 1 and 1 .int. in row 2"),
        ([1, True], (), "row 2 holds True .bool.; expected texts or whole numbers"),
        (pl.Series([True, False]), (), "row 1 holds True"),
        ([dt.date(2024, 1, 1)], (), r"row 1 holds datetime.date"),
        ([b"a"], (), "row 1 holds b'a'"),
        ([("a", 1)], (), "row 1 holds .'a', 1."),
        ([1.0, 1e17], (), "row 2 holds 1e.17, a rounded or infinite number"),
        (["a", " "], (), "row 2 is empty; name the series of every row"),
        (["a", None], (), "row 2 is empty; name the series of every row"),
        (pl.Series([1.0, float("nan")]), (), "row 2 is empty"),
        (["01"], [1], "'01' is not in the training data, but 1 is the same number"),
        ([1], ["01"], "'1' is not in the training data, but '01' is the same number"),
        (["1.0"], ["1"], "'1.0' is not in the training data, but '1' is the same"),
        (["1"], ["1.0"], "'1' is not in the training data, but '1.0' is the same"),
        (["1", "a"], [1, 2], "expected whole numbers as in training, got 'a'"),
    ],
)
def test_names_that_may_be_two_things_are_refused(column: Any, training_ids: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        names(column, training_ids)


def test_a_frame_without_names_is_not_taken_for_one_of_several_series() -> None:
    df = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=9), "y": np.arange(9.0)})
    one, frame_format = read_frame(df.assign(unique_id="a"))
    assert read_later_frame(df, one, frame_format)[0].ids == ["a"]
    two, frame_format = read_frame(pd.concat([df.assign(unique_id=i) for i in (0, 1)]))
    with pytest.raises(InputError, match="expected a column unique_id, since 2 series are known"):
        read_later_frame(df, two, frame_format)


def test_files_of_a_folder_have_names_of_one_type(tmp_path: Any) -> None:
    ds = pd.date_range("2024-01-01", periods=9).tolist()
    for file, name in enumerate((1, "2")):
        pq.write_table(pa.table({"unique_id": [name] * 9, "ds": ds, "y": np.arange(9.0)}), tmp_path / f"{file}.parquet")
    with pytest.raises(InputError, match=r"expected columns of the same types in all files: .* int64 vs string"):
        read_frame(tt.ParquetSeries(tmp_path))
    pq.write_table(pa.table({"unique_id": ["2 "] * 9, "ds": ds, "y": np.arange(9.0)}), tmp_path / "0.parquet")
    with pytest.raises(InputError, match=r"series 2 +begins a second time"):
        len(tt.ParquetSeries(tmp_path))
