"""Series in Parquet files, more of them than memory holds: read row group by row group, whole series at a time.

All rows of a series lie together, in one file or from the end of one to the beginning of the next. A look at the names
alone, which keeps eight bytes of each series, sees to that and counts them, so that a sample can be drawn in which
every series has the same chance. Only the row groups in which a drawn series lies are read for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError, requires
from throughtime.data.series.series_ids import identifiers

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

_BATCH = 250_000  # rows that are read at once
_PART = 500_000  # rows of whole series that are forecast at once
_MOST_SAMPLED = 10_000_000  # rows


@dataclass(frozen=True)
class ParquetChunk:
    """Whole series: a pyarrow table with unique_id, ds, y and more columns, and the files that it is of."""

    table: Any
    first: Path
    last: Path

    @property
    def files(self) -> str:
        """The files in words."""
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last.name}"


@dataclass(frozen=True)
class _Index:
    """Where series lie: a key of each, and for each row group (file, group, series of its first row, of its last)."""

    keys: np.ndarray
    groups: list[tuple[Path, int, int, int]]
    rows: int


@dataclass(frozen=True)
class ParquetSeries:
    """A folder of Parquet files, or one file, that is learned from by a sample and forecast part by part.

    `Forecaster.fit` and all that takes a frame take it too, and read its sample; `Forecaster.predict_parquet` forecasts
    all of its series. Needs the extra `parquet`.

    Args:
        path: of the folder, whose files are read in the order of their names, those of its folders too.
        series: column of the names of series; all rows of a series lie together.
        time: column of dates or of whole numbers.
        target: column to forecast.
        sample: series to learn from; fewer, where those had more than 10,000,000 rows.
        seed: of the sample.

    Raises:
        InputError: for what is no such folder, and where pyarrow is not installed.
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
        """How many series there are."""
        return len(self._index.keys)

    @cached_property
    def files(self) -> list[Path]:
        """The files, in the order in which they are read."""
        _arrow()
        return find_parquet_files(Path(self.path))

    @property
    def note(self) -> str:
        """What a sample is, in a plain sentence."""
        count = len(self._chosen)
        if count == len(self):
            return f"All {count:,} series of {self.path} are learned from."
        return f"A sample of {count:,} of the {len(self):,} series of {self.path} is learned from."

    def read_sample(self, beside: Sequence[str] = ()) -> Any:
        """The rows of the sample as a pyarrow table: unique_id, ds, y and the columns `beside`.

        Raises:
            InputError: where a file cannot be read, lacks a column, or series do not lie together.
        """
        import pyarrow as pa

        drawn = np.zeros(len(self), dtype=bool)
        drawn[self._chosen] = True
        found = [
            batch.filter(pa.array(drawn[runs]))
            for file, group, first, last in self._index.groups
            if drawn[first : last + 1].any()
            for batch, runs in self._numbered(file, group, first, beside)
        ]
        return _joined(found)

    def iter_chunks(self, beside: Sequence[str] = ()) -> Iterator[ParquetChunk]:
        """All rows, some whole series at a time."""
        assert len(self)  # the series lie together
        waiting, where, wanted = [], self.files[0], _PART
        for file in self.files:
            for batch in self._batches(self._open(file, beside), None, beside):
                where = where if waiting else file
                waiting.append(batch)
                if sum(map(len, waiting)) < wanted:
                    continue
                table = _joined(waiting)
                last = int(np.flatnonzero(_heads(table.column(0), None)[0])[-1])
                wanted = 2 * len(table) if not last else _PART  # a series longer than a part
                if last:
                    yield ParquetChunk(table.slice(0, last), where, file)
                    waiting, where = table.slice(last).to_batches(), file
        if waiting:
            yield ParquetChunk(_joined(waiting), where, self.files[-1])

    @cached_property
    def _chosen(self) -> np.ndarray:
        """Numbers of the series of the sample, in order."""
        count = min(self.sample, len(self), max(1, _MOST_SAMPLED * len(self) // max(self._index.rows, 1)))
        return np.sort(np.random.default_rng(self.seed).choice(len(self), count, replace=False))

    @cached_property
    def _index(self) -> _Index:
        keys: list[np.ndarray] = []
        groups, count, checked, rows, before = [], 0, 1024, 0, None
        for file in self.files:
            opened = self._open(file, ())
            for group in range(opened.num_row_groups):
                first = None
                for batch in self._batches(opened, [group], None):
                    column = batch.column(0)
                    if column.null_count:
                        raise InputError(f"{file}: column {self.series} has empty cells; name the series of every row")
                    heads, before = _heads(column, before)
                    first = count - (not heads[0]) if first is None else first
                    keys.append(_keys(column.filter(_arrow().array(heads))))
                    count, rows = count + len(keys[-1]), rows + len(column)
                if first is not None:
                    groups.append((file, group, first, count - 1))
                if count > 2 * checked:  # early enough to see that rows are in the order of time
                    self._check_together(np.concatenate(keys), groups)
                    checked = count
        if not rows:
            raise InputError(f"{self.path}: expected rows of data, got none")
        found = _Index(np.concatenate(keys), groups, rows)
        self._check_together(found.keys, groups)
        return found

    def _check_together(self, keys: np.ndarray, groups: list[tuple[Path, int, int, int]]) -> None:
        order = np.argsort(keys, kind="stable")
        again = np.flatnonzero(keys[order][1:] == keys[order][:-1])
        for one, other in zip(order[again], order[again + 1], strict=True):
            (name, _), (same, file) = (self._named(int(run), groups) for run in (one, other))
            if len({*identifiers([name, same], np.zeros(2), self.series).tolist()}) == 1:  # not two names of one key
                raise InputError(
                    f"{file}: series {name} begins a second time; expected all rows of a series to lie together: sort "
                    f"the rows by {self.series} and {self.time} before they are written"
                )

    def _named(self, run: int, groups: list[tuple[Path, int, int, int]]) -> tuple[Any, Path]:
        """What the series of a number is called, and the file that it begins in."""
        file, group, first, _ = next(each for each in groups if each[3] >= run)
        for batch, runs in self._numbered(file, group, first, None):
            if runs[-1] >= run:
                return batch.column(0)[int(np.searchsorted(runs, run))].as_py(), file
        raise AssertionError("the index names the row group of every series")

    def _numbered(
        self, file: Path, group: int, first: int, beside: Sequence[str] | None
    ) -> Iterator[tuple[Any, np.ndarray]]:
        """Batches of a row group, and the number of the series of each row."""
        number, before = first, None
        for batch in self._batches(self._open(file, beside or ()), [group], beside):
            heads, last = _heads(batch.column(0), before)
            heads[0] &= before is not None  # the number of the first one is known
            numbers = number + np.cumsum(heads)
            yield batch, numbers
            number, before = int(numbers[-1]), last

    def _open(self, file: Path, beside: Sequence[str]) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            opened = pq.ParquetFile(file, buffer_size=2**20, pre_buffer=False)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{file} cannot be read as Parquet: {str(error).splitlines()[0]}") from error
        schema = opened.schema_arrow
        for name in (self.series, self.time, self.target, *beside):
            if name not in schema.names:
                raise InputError(f"{file}: expected a column {name}, got {', '.join(schema.names)}")
        dates = schema.field(self.time).type
        if not (pa.types.is_timestamp(dates) or pa.types.is_date(dates) or pa.types.is_integer(dates)):
            raise InputError(f"{file}: column {self.time}: expected dates or whole numbers, got {dates}; cast it")
        return opened

    def _batches(self, opened: Any, groups: list[int] | None, beside: Sequence[str] | None) -> Iterator[Any]:
        """Batches with the names of series alone, or with all columns that are wanted, called as in a frame."""
        names = [self.series] if beside is None else [self.series, self.time, self.target, *beside]
        called = ["unique_id", "ds", "y", *(beside or ())][: len(names)]
        for batch in opened.iter_batches(_BATCH, row_groups=groups, columns=names, use_threads=False):
            if len(batch):
                yield batch.select(names).rename_columns(called)


def find_parquet_files(path: Path) -> list[Path]:
    """The Parquet files of a folder and the folders in it, in the order of their names; or the file itself.

    Raises:
        InputError: where there are none.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such folder")
    found = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not found:
        raise InputError(f"{path}: expected a folder of Parquet files, but no name in it ends in .parquet")
    return found


def _heads(column: Any, before: Any) -> tuple[np.ndarray, Any]:
    """Which rows are of another series than the row before them, and the series of the last row."""
    import pyarrow.compute as pc

    differ: Any = pc.not_equal  # pyright: ignore[reportAttributeAccessIssue]  made when pyarrow is imported
    heads = np.ones(len(column), dtype=bool)
    heads[1:] = differ(column.slice(1), column.slice(0, len(column) - 1)).to_numpy(zero_copy_only=False)
    heads[:1] = before is None or column[0] != before
    return heads, column[-1]


def _keys(names: Any) -> np.ndarray:
    """A number for each name, another one for another name but for one pair in 10^19."""
    values = identifiers(names.to_pylist(), np.arange(len(names)), "the column of series").tolist()
    return np.array([value if isinstance(value, int) else hash(value) for value in values], dtype=np.int64)


def _arrow() -> Any:
    with requires("parquet", "ParquetSeries"):
        import pyarrow as pa
    return pa


def _joined(batches: list[Any]) -> Any:
    """Batches as one table; whole numbers become others where a file has such."""
    pa = _arrow()
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    try:
        return pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    except pa.ArrowException as error:
        raise InputError(f"expected columns of the same types in all files: {str(error).splitlines()[0]}") from error
