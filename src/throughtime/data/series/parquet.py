"""Series in Parquet files that may exceed the memory, read row group by row group in chunks of whole series.

All rows of a series are consecutive, in one file or from the end of one file to the beginning of the next. A first pass
over the names alone, which keeps eight bytes of each series, checks that and counts the series, so that a sample can be
drawn in which every series has the same probability. Only row groups with series of the sample are read for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError, requires
from throughtime.data.series.series_ids import normalize_ids

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from jaxtyping import Bool, Int

_BATCH_ROWS = 250_000
_CHUNK_ROWS = 500_000
_MAX_SAMPLED_ROWS = 10_000_000


@dataclass(frozen=True)
class ParquetChunk:
    """Whole series: a pyarrow table with unique_id, ds, y and more columns, and the files that it is from."""

    table: Any
    first: Path
    last: Path

    @property
    def files(self) -> str:
        """Names of the files, in words."""
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last.name}"


@dataclass(frozen=True)
class _Index:
    """Positions of series.

    Attributes:
        keys: a key of each series.
        groups: file, row group, and numbers of the series of the first and the last row, for each row group.
        rows: number of rows.
    """

    keys: Int[np.ndarray, "N"]
    groups: list[tuple[Path, int, int, int]]
    rows: int


@dataclass(frozen=True)
class ParquetSeries:
    """A folder of Parquet files, or one file: a sample is used for training, and all series are forecast in chunks.

    `Forecaster.fit` and all functions that take a frame also take it, and read its sample; `Forecaster.predict_parquet`
    forecasts all of its series. Requires the extra `parquet`.

    Args:
        path: folder, whose files are read in the order of their names, including those in subfolders.
        series: column with the names of series; all rows of a series are consecutive.
        time: column of dates or of whole numbers.
        target: column to forecast.
        sample: number of series to train on; reduced if these would have more than 10,000,000 rows.
        seed: seed of the sample.

    Raises:
        InputError: if there are no such files, or pyarrow is not installed.
    """

    path: str | os.PathLike[str]
    series: str = "unique_id"
    time: str = "ds"
    target: str = "y"
    sample: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.sample, bool) or not isinstance(self.sample, int) or self.sample < 1:
            raise InputError(f"sample: expected a whole number of 1 or more, got {self.sample!r}")
        for file in self.files[:1]:
            self._open(file, ())

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self._index.keys)

    @cached_property
    def files(self) -> list[Path]:
        """Files in the order in which they are read."""
        _import_pyarrow()
        return find_parquet_files(Path(self.path))

    @property
    def note(self) -> str:
        """The size of the sample, as a sentence."""
        count = len(self._sampled_numbers)
        if count == len(self):
            return f"All {count:,} series of {self.path} are learned from."
        return f"A sample of {count:,} of the {len(self):,} series of {self.path} is learned from."

    def read_sample(self, columns: Sequence[str] = ()) -> Any:
        """Read the rows of the sample as a pyarrow table: unique_id, ds, y and additional columns.

        Raises:
            InputError: if a file cannot be read or lacks a column, or rows of a series are not consecutive.
        """
        import pyarrow as pa

        is_sampled = np.zeros(len(self), dtype=bool)
        is_sampled[self._sampled_numbers] = True
        batches = [
            batch.filter(pa.array(is_sampled[numbers]))
            for file, group, first, last in self._index.groups
            if is_sampled[first : last + 1].any()
            for batch, numbers in self._iter_numbered(file, group, first, columns)
        ]
        return _concatenate(batches)

    def iter_chunks(self, columns: Sequence[str] = ()) -> Iterator[ParquetChunk]:
        """Read all rows in chunks of whole series."""
        assert len(self)  # builds the index, which checks the order of rows
        pending, first_file, target_rows = [], self.files[0], _CHUNK_ROWS
        for file in self.files:
            for batch in self._batches(self._open(file, columns), None, columns):
                first_file = first_file if pending else file
                pending.append(batch)
                if sum(map(len, pending)) < target_rows:
                    continue
                table = _concatenate(pending)
                last = int(np.flatnonzero(_series_starts(table.column(0), None)[0])[-1])
                target_rows = 2 * len(table) if not last else _CHUNK_ROWS  # a series longer than a chunk
                if last:
                    yield ParquetChunk(table.slice(0, last), first_file, file)
                    pending, first_file = table.slice(last).to_batches(), file
        if pending:
            yield ParquetChunk(_concatenate(pending), first_file, self.files[-1])

    @cached_property
    def _sampled_numbers(self) -> Int[np.ndarray, "n"]:
        """Sorted numbers of the series of the sample."""
        count = min(self.sample, len(self), max(1, _MAX_SAMPLED_ROWS * len(self) // max(self._index.rows, 1)))
        return np.sort(np.random.default_rng(self.seed).choice(len(self), count, replace=False))

    @cached_property
    def _index(self) -> _Index:
        keys: list[np.ndarray] = []
        groups, count, last_checked, rows, previous = [], 0, 1024, 0, None
        for file in self.files:
            parquet_file = self._open(file, ())
            for group in range(parquet_file.num_row_groups):
                first = None
                for batch in self._batches(parquet_file, [group], None):
                    column = batch.column(0)
                    if column.null_count:
                        raise InputError(f"{file}: column {self.series} has empty cells; name the series of every row")
                    starts, previous = _series_starts(column, previous)
                    first = count - (not starts[0]) if first is None else first
                    keys.append(_keys(column.filter(_import_pyarrow().array(starts))))
                    count, rows = count + len(keys[-1]), rows + len(column)
                if first is not None:
                    groups.append((file, group, first, count - 1))
                if count > 2 * last_checked:  # fail early if rows are sorted by time
                    self._check_contiguous(np.concatenate(keys), groups)
                    last_checked = count
        if not rows:
            raise InputError(f"{self.path}: expected rows of data, got none")
        index = _Index(np.concatenate(keys), groups, rows)
        self._check_contiguous(index.keys, groups)
        return index

    def _check_contiguous(self, keys: np.ndarray, groups: list[tuple[Path, int, int, int]]) -> None:
        order = np.argsort(keys, kind="stable")
        repeated = np.flatnonzero(keys[order][1:] == keys[order][:-1])
        for first, second in zip(order[repeated], order[repeated + 1], strict=True):
            (name, _), (second_name, file) = (self._locate(int(number), groups) for number in (first, second))
            distinct = {*normalize_ids([name, second_name], np.zeros(2, dtype=np.int64), self.series).tolist()}
            if len(distinct) == 1:  # else a collision of keys
                raise InputError(
                    f"{file}: series {name} begins a second time; expected all rows of a series to be consecutive: "
                    f"sort the rows by {self.series} and {self.time} before they are written"
                )

    def _locate(self, number: int, groups: list[tuple[Path, int, int, int]]) -> tuple[Any, Path]:
        """Return the name of a series by its number, and the file in which it begins."""
        file, group, first, _ = next(group for group in groups if group[3] >= number)
        for batch, numbers in self._iter_numbered(file, group, first, None):
            if numbers[-1] >= number:
                return batch.column(0)[int(np.searchsorted(numbers, number))].as_py(), file
        raise AssertionError("the index names the row group of every series")

    def _iter_numbered(
        self, file: Path, group: int, first: int, columns: Sequence[str] | None
    ) -> Iterator[tuple[Any, Int[np.ndarray, "R"]]]:
        """Yield batches of a row group with the number of the series of each row."""
        number, previous = first, None
        for batch in self._batches(self._open(file, columns or ()), [group], columns):
            starts, last = _series_starts(batch.column(0), previous)
            starts[0] &= previous is not None  # the first row of the group continues `number`
            numbers = number + np.cumsum(starts)
            yield batch, numbers
            number, previous = int(numbers[-1]), last

    def _open(self, file: Path, columns: Sequence[str]) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            parquet_file = pq.ParquetFile(file, buffer_size=2**20, pre_buffer=False)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{file} cannot be read as Parquet: {str(error).splitlines()[0]}") from error
        schema = parquet_file.schema_arrow
        for name in (self.series, self.time, self.target, *columns):
            if name not in schema.names:
                raise InputError(f"{file}: expected a column {name}, got {', '.join(schema.names)}")
        dates = schema.field(self.time).type
        if not (pa.types.is_timestamp(dates) or pa.types.is_date(dates) or pa.types.is_integer(dates)):
            raise InputError(f"{file}: column {self.time}: expected dates or whole numbers, got {dates}; cast it")
        return parquet_file

    def _batches(self, parquet_file: Any, groups: list[int] | None, columns: Sequence[str] | None) -> Iterator[Any]:
        """Yield batches of the names of series, or of unique_id, ds, y and additional columns."""
        names = [self.series] if columns is None else [self.series, self.time, self.target, *columns]
        new_names = ["unique_id", "ds", "y", *(columns or ())][: len(names)]
        for batch in parquet_file.iter_batches(_BATCH_ROWS, row_groups=groups, columns=names, use_threads=False):
            if len(batch):
                yield batch.select(names).rename_columns(new_names)


def find_parquet_files(path: Path) -> list[Path]:
    """Return the Parquet files of a folder and its subfolders in the order of their names; or the file itself.

    Raises:
        InputError: if there are none.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such folder")
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path}: expected a folder of Parquet files, but no name in it ends in .parquet")
    return files


def _series_starts(column: Any, previous: Any) -> tuple[Bool[np.ndarray, "R"], Any]:
    """Return which rows begin a series, and the series of the last row."""
    import pyarrow.compute as pc

    not_equal: Any = pc.not_equal  # pyright: ignore[reportAttributeAccessIssue]  defined at import time
    starts = np.ones(len(column), dtype=bool)
    starts[1:] = not_equal(column.slice(1), column.slice(0, len(column) - 1)).to_numpy(zero_copy_only=False)
    starts[:1] = previous is None or column[0] != previous
    return starts, column[-1]


def _keys(names: Any) -> Int[np.ndarray, "N"]:
    """Return a key for each name; different names share a key with a probability of 10^-19."""
    values = normalize_ids(names.to_pylist(), np.arange(len(names)), "the column of series").tolist()
    return np.array([value if isinstance(value, int) else hash(value) for value in values], dtype=np.int64)


def _import_pyarrow() -> Any:
    with requires("parquet", "ParquetSeries"):
        import pyarrow as pa
    return pa


def _concatenate(batches: list[Any]) -> Any:
    """Concatenate batches to one table; integers become floats if a file has floats."""
    pa = _import_pyarrow()
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    try:
        return pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    except pa.ArrowException as error:
        raise InputError(f"expected columns of the same types in all files: {str(error).splitlines()[0]}") from error
