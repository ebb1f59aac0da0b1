"""No file asks for more memory, columns or characters than a stated limit, and damaged ones are named as such."""

from __future__ import annotations

import gzip
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.app.process import monthly, seasonal

from throughtime import InputError
from throughtime.app.tables.column_selection import Columns
from throughtime.app.tables.table import Table, read_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLAIN = "\n".join(monthly(seasonal(40))).encode()
PACKED = gzip.compress(PLAIN, mtime=0)


def read(directory: Path, content: bytes) -> Table:
    path = directory / "data.csv.gz"
    path.write_bytes(content)
    return read_table(path, Columns())


@pytest.mark.parametrize(
    "content", [PACKED, gzip.compress(PLAIN[:99], mtime=0) + gzip.compress(PLAIN[99:], mtime=0), PACKED + bytes(512)]
)
def test_members_of_a_gzip_file_are_joined_and_padding_is_skipped(content: bytes, tmp_path: Path) -> None:
    assert read(tmp_path, content).frame.height == 40


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (PACKED[:-20], "ends too early"),
        (PACKED[:-3], "ends too early"),
        (PACKED[:-8] + b"abcd" + PACKED[-4:], "damaged gzip file"),
        (PACKED + b"garbage", "damaged gzip file"),
        (gzip.compress(b"", mtime=0), "is empty"),
    ],
)
def test_a_damaged_gzip_file_is_named(content: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        read(tmp_path, content)


def test_a_small_file_cannot_unpack_to_more_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("throughtime.data.files.MAX_BYTES", 2**20)
    with pytest.raises(InputError, match="unpacks to more than 1 MiB, the limit for one file; split it"):
        read(tmp_path, gzip.compress(b"ds,y\n" + b"2024-01-01,1\n" * 200_000))
    with pytest.raises(InputError, match="holds more than 1 MiB"):
        read(tmp_path, b"ds,y\n" + b"2024-01-01,1\n" * 200_000)


def test_unpacking_stops_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chunks(*_: object) -> Iterator[bytes]:
        yield from [bytes(2**18)] * 6
        pytest.fail("unpacked far beyond the limit")

    monkeypatch.setattr("throughtime.data.files.MAX_BYTES", 2**20)
    monkeypatch.setattr("throughtime.data.files._gunzip", chunks)
    with pytest.raises(InputError, match="unpacks to more than 1 MiB"):
        read(tmp_path, PACKED)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_pipe_is_read_as_a_file_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        pool.submit(pipe.write_bytes, PACKED)
        assert read_table(pipe, Columns()).frame.height == 40


def test_a_file_is_not_read_into_more_memory_than_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("throughtime.data.files._free_memory", lambda: 12 * 2**20)
    assert read(tmp_path, PACKED).frame.height == 40
    with pytest.raises(InputError, match="takes 14 MiB of memory to read, and 12 MiB are free"):
        read(tmp_path, gzip.compress(b"ds,y\n" + b"2024-01-01,1\n" * 200_000))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a" * 200_000 + b",y\n2020-01-01,1\n", "line 1: a cell is longer than 131,072 characters, the limit"),
        (
            b"ds,y" + b"\n2024-01-01,1" * 300 + b"\n2024-01-01," + b"1" * 200_000,
            "line 302: a cell is longer than 131,072 characters, the limit",
        ),
        (
            b"ds" + b",y" * 20_000 + b"\n2020-01-01" + b",1" * 20_000,
            "line 1: 20,001 cells; the limit is 16,384 columns",
        ),
    ],
)
def test_cells_and_columns_have_limits(content: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        read(tmp_path, content)


def test_long_cells_take_no_more_time_than_short_ones(tmp_path: Path) -> None:
    long = b"1" + b" " * 20_000 + b"x"
    with pytest.raises(InputError, match="column y: '1  "):
        read(tmp_path, PLAIN.replace(b"month,sales", b"month,y") + b"\n2020-01-01," + long + b"\n2020-02-01,5")
    with pytest.raises(InputError):
        read(tmp_path, long + b"," + long + b"\n2020-01-01,1\n2020-02-01,2\n2020-03-01,x")


def test_lines_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("throughtime.app.tables.delimited.MAX_LINES", 20)
    with pytest.raises(InputError, match="has 40 lines; the limit is 20"):
        read(tmp_path, PLAIN)
