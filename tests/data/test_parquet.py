"""Files that memory does not hold are read by row groups, whole series at a time, and sampled fairly."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import throughtime as tt
from throughtime.data.series import parquet

if TYPE_CHECKING:
    from pathlib import Path


def rows(names: list[Any], steps: int = 4) -> pa.Table:
    """So many rows of each of some series, in their order."""
    ds = np.datetime64("2024-01-01", "us") + np.tile(np.arange(steps), len(names)) * np.timedelta64(1, "D")
    return pa.table({"unique_id": np.repeat(names, steps), "ds": ds, "y": np.arange(float(len(ds)))})


def written(folder: Path, *files: pa.Table, group: int = 10) -> Path:
    """A folder of files with row groups of so many rows."""
    folder.mkdir(exist_ok=True)
    for i, table in enumerate(files):
        pq.write_table(table, folder / f"part-{i}.parquet", row_group_size=group)
    return folder


@pytest.fixture(params=["words", "numbers"])
def names(request: pytest.FixtureRequest) -> list[Any]:
    numbers = [7, 3, 11, 2, 5, 13]
    return numbers if request.param == "numbers" else [f"s{n}" for n in numbers]


@pytest.mark.parametrize("group", [1, 3, 4, 10, 100])
@pytest.mark.parametrize("size", [1, 5, 9, 1000])
def test_parts_are_all_rows_and_whole_series(
    group: int, size: int, names: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_CHUNK_ROWS", size)
    monkeypatch.setattr(parquet, "_BATCH_ROWS", 3)
    table = rows(names)
    result = tt.ParquetSeries(written(tmp_path / "data", table.slice(0, 9), table.slice(9), group=group))
    tables = [chunk.table for chunk in result.iter_chunks()]
    assert pa.concat_tables(tables).equals(table)
    assert all(len(table) % 4 == 0 for table in tables)
    assert len(result) == 6
    assert (len(tables) > 1) == (size < 20)


@pytest.mark.parametrize("group", [1, 3, 4, 100])
def test_a_sample_is_whole_series_and_the_same_for_a_seed(
    group: int, names: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_BATCH_ROWS", 3)
    table = rows(names)
    folder = written(tmp_path / "data", table.slice(0, 9), table.slice(9), group=group)
    samples = [tt.ParquetSeries(folder, sample=3, seed=seed).read_sample() for seed in (0, 0, *range(1, 40))]
    assert samples[0].equals(samples[1])
    for sample in samples:
        chosen = list(dict.fromkeys(sample["unique_id"].to_pylist()))
        assert len(chosen) == 3
        expected = pa.concat_tables(table.slice(4 * names.index(name), 4) for name in chosen)
        assert sample.equals(expected.combine_chunks())
    sampled_names = [name for sample in samples[1:] for name in set(sample["unique_id"].to_pylist())]
    assert all(8 <= sampled_names.count(name) <= 32 for name in names), "some series are hardly ever sampled"


def test_only_the_row_groups_of_drawn_series_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tt.ParquetSeries(written(tmp_path / "data", rows(list(range(100))), group=8), sample=2)
    assert len(source) == 100
    read: list[int] = []
    batches = tt.ParquetSeries._batches

    def record_groups(self: Any, opened: Any, groups: list[int], columns: Any) -> Any:
        read.extend(groups)
        return batches(self, opened, groups, columns)

    monkeypatch.setattr(tt.ParquetSeries, "_batches", record_groups)
    assert len(source.read_sample()) == 8
    assert len(read) <= 2


def test_a_sample_of_long_series_has_fewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_MAX_SAMPLED_ROWS", 12)
    source = tt.ParquetSeries(written(tmp_path / "data", rows(list(range(10)))))
    assert len(source.read_sample()) == 12
    assert source.note == f"A sample of 3 of the 10 series of {tmp_path / 'data'} is learned from."


@pytest.mark.parametrize("odd", ["a", 1])
def test_a_series_in_two_places_is_refused_with_its_name_and_file(odd: Any, tmp_path: Path) -> None:
    others = ["b", "c"] if odd == "a" else [2, 3]
    folder = written(tmp_path / "data", rows([odd, *others]), rows([odd]))
    with pytest.raises(
        tt.InputError, match=rf"part-1.parquet: series {odd} begins a second time; .* sort the rows by unique_id and ds"
    ):
        tt.ParquetSeries(folder).read_sample()


def test_rows_in_the_order_of_time_are_refused_before_all_of_them_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = rows(list(range(3000)), steps=1)
    folder = written(tmp_path / "data", *[table] * 20, group=1000)
    opened: list[Path] = []
    read = tt.ParquetSeries._open
    monkeypatch.setattr(
        tt.ParquetSeries, "_open", lambda self, file, columns: opened.append(file) or read(self, file, columns)
    )
    with pytest.raises(tt.InputError, match="begins a second time"):
        len(tt.ParquetSeries(folder))
    assert len(set(opened)) <= 3


def test_two_names_of_one_key_are_two_series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_keys", lambda names: np.zeros(len(names), dtype=np.int64))
    assert len(tt.ParquetSeries(written(tmp_path / "data", rows(["a", "b"])))) == 2


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"y": None}, r"part-0.parquet: expected a column y, got unique_id, ds"),
        ({"ds": ["2024-01-01"] * 8}, "column ds: expected dates or whole numbers, got string; cast it"),
        ({"unique_id": ["a", "a", None, "a", "b", "b", "b", "b"]}, "column unique_id has empty cells"),
    ],
)
def test_files_that_cannot_be_used_are_refused(columns: dict[str, Any], message: str, tmp_path: Path) -> None:
    table = rows(["a", "b"])
    for name, values in columns.items():
        table = table.drop_columns(name)
        table = table if values is None else table.append_column(name, [values])
    with pytest.raises(tt.InputError, match=message):
        tt.ParquetSeries(written(tmp_path / "data", table)).read_sample()


def test_what_is_no_folder_of_parquet_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(tt.InputError, match=r"nowhere: there is no such folder"):
        tt.ParquetSeries(tmp_path / "nowhere")
    with pytest.raises(tt.InputError, match=r"no name in it ends in \.parquet"):
        tt.ParquetSeries(tmp_path)
    with pytest.raises(tt.InputError, match="sample: expected a whole number of 1 or more, got 0"):
        tt.ParquetSeries(tmp_path, sample=0)
    (tmp_path / "one.parquet").write_bytes(b"PAR1")
    with pytest.raises(tt.InputError, match=r"one\.parquet cannot be read as Parquet"):
        tt.ParquetSeries(tmp_path)


def test_without_pyarrow_one_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(tt.InputError, match=r"pip install 'throughtime\[parquet\]'"):
        tt.ParquetSeries(tmp_path)
