"""What commands print and write: one form of JSON, one form of CSV, and files that are written whole or not at all.

The content of a file is a function that writes it to a path. A command passes it to `write_output` for a single file,
and to the run directory for a file of a run, which appears as a whole.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import shlex
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from throughtime._core.errors import InputError
from throughtime._core.escaping import escape_json
from throughtime.io.atomic_files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import polars as pl

    FileWriter = Callable[[Path], object]

STDOUT = "-"
"""The name of a file that stands for the standard output."""

STDIN = "-"
"""The name of a file that stands for the standard input."""

_PASSWORD = re.compile(r"(://[^/?#\s:@]*):[^\s]*@")
_PASSWORD_FIELD = re.compile(r"\b(\w*password\w*=)[^&\s]*", re.IGNORECASE)
_DATETIME = "%Y-%m-%d %H:%M:%S"


def write_output(path: Path, write: FileWriter) -> None:
    """Write a file of a command whole or not at all; a file of that name is replaced.

    Raises:
        InputError: if it cannot be written.
    """
    try:
        with atomic_write(path) as temporary:
            write(temporary)
    except OSError as error:
        raise InputError(f"--out: {path} cannot be written: {error.strerror or error}") from error


def text_file(text: str) -> FileWriter:
    """Return the writer of a text."""
    return lambda path: path.write_text(text, encoding="utf-8")


def json_file(value: Any) -> FileWriter:
    """Return the writer of an object as indented JSON."""
    return text_file(format_json(value, indent=1) + "\n")


def csv_file(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> FileWriter:
    """Return the writer of rows as CSV."""
    return text_file(format_csv(columns, rows))


def frame_file(frame: pl.DataFrame) -> FileWriter:
    """Return the writer of forecasts as CSV."""
    return text_file(format_frame(frame))


def format_json(value: Any, *, indent: int | None = None) -> str:
    """Return a value as JSON: null for NaN and infinity, and no character that controls a terminal."""
    text = json.dumps(finite(value), indent=indent, ensure_ascii=False, allow_nan=False, default=asdict)
    return escape_json(text)


def format_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue()


def format_frame(frame: pl.DataFrame) -> str:
    """Return forecasts as CSV, with dates as 2024-01-31 or 2024-01-31 12:00:00."""
    return frame.write_csv(datetime_format=_DATETIME)


def to_records(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return forecasts as JSON objects, with dates as in `format_frame`."""
    import polars as pl

    ds = frame["ds"]
    texts = ds.dt.strftime(_DATETIME) if isinstance(ds.dtype, pl.Datetime) else ds.cast(pl.String)
    return json.loads(frame.with_columns(texts.alias("ds")).write_json())


def finite(value: Any) -> Any:
    """Return a value of JSON with None for NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_json(value: dict[str, Any]) -> None:
    """Print an object in one line."""
    sys.stdout.write(format_json(value) + "\n")


def print_result(value: dict[str, Any], show: Callable[[], object], *, as_json: bool) -> None:
    """Print a result as one JSON object, or as text with `show`."""
    if as_json:
        print_json(value)
    else:
        show()


def hide_password(text: str) -> str:
    """Return a text with *** in place of the passwords of its URIs.

    >>> hide_password("--database=postgresql://ann:s3cret@host/shop")
    '--database=postgresql://ann:***@host/shop'
    """
    return _PASSWORD_FIELD.sub(r"\1***", _PASSWORD.sub(r"\1:***@", text))


def command_line() -> str:
    """Return the command line as it was typed, without passwords."""
    return shlex.join(["throughtime", *map(hide_password, sys.argv[1:])])
