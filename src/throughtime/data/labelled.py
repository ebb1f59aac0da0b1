"""Texts with a label each, from a table (TSV, CSV, Parquet) or from JSON lines; columns are given or guessed and said.

Tables of texts are read here and not as those of numbers: in a file separated by tabs a quotation mark is mostly a
character like any other, which is tried first.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from throughtime._errors import InputError, requires
from throughtime.data.files import decoded, lines_of, read_bytes

if TYPE_CHECKING:
    from pathlib import Path

_TEXT = ("text", "sentence", "review", "tweet", "content", "message", "document", "comment", "title")
_LABEL = ("label", "class", "target", "category", "sentiment", "emotion", "y", "topic")
_MOST_CLASSES = 200
_WANTED = "a table with a header, a column of texts and one of labels"
_KIND = "TSV, CSV, Parquet or JSON lines"


@dataclass(frozen=True)
class Labelled:
    """Texts of a file.

    Attributes:
        path: the file.
        texts: one a row.
        labels: of each; None where the file has none.
        notes: what was guessed, in plain sentences.
    """

    path: Path
    texts: list[str]
    labels: list[str] | None
    notes: list[str] = field(default_factory=list)


def read_labelled(
    path: Path,
    *,
    text: str | None = None,
    label: str | None = None,
    need_labels: bool = True,
    former: tuple[str | None, str | None] = (None, None),
) -> Labelled:
    """Read texts and, where there are any, their labels.

    Args:
        path: of the file.
        text: column of the texts, guessed if None.
        label: column of the labels, guessed if None.
        need_labels: whether a file without labels is refused.
        former: columns of texts and of labels that come before what is guessed, where the file has them.

    Raises:
        InputError: for a file that cannot be used; names the first row without a text or a label.
    """
    columns, lines = _columns(path)
    for option, name in (("text", text), ("label", label)):
        if name is not None and name not in columns:
            close = get_close_matches(name, columns, n=1)
            hint = f"did you mean {close[0]}?" if close else f"its columns are {', '.join(columns)}"
            raise InputError(f"{option}: {path} has no column {name}; {hint}")
    notes: list[str] = []
    text, label = (
        given or (name if name in columns else None) for given, name in zip((text, label), former, strict=True)
    )
    label = label or _guessed_label(columns, text)
    if label is None and need_labels:
        raise InputError(f"{path}: expected {_WANTED}, got the columns {', '.join(columns)}; name it with --label")
    text = text or _guessed_text(path, columns, label)
    notes.append(f"Texts: column {text} (another one with --text).")
    if label is not None:
        notes.append(f"Labels: column {label} (another one with --label).")
    return Labelled(
        path,
        _filled(path, columns[text], lines, text, "text"),
        None if label is None else _filled(path, columns[label], lines, label, "label", needed=need_labels),
        notes,
    )


def _columns(path: Path) -> tuple[dict[str, list[Any]], list[int]]:
    """Cells by column, and the line of each row."""
    content = read_bytes(path, _WANTED, _KIND)
    if content[:4] == b"PAR1":
        found = _parquet(path, content)
        return found, list(range(1, len(next(iter(found.values()), [])) + 1))
    text = decoded(path, content, _KIND)
    records = _json_lines(path, text) if text.lstrip()[0] == "{" else _table(path, text)
    names = list(records[0][1])
    return {name: [record.get(name) for _, record in records] for name in names}, [line for line, _ in records]


def _parquet(path: Path, content: bytes) -> dict[str, list[Any]]:
    with requires("text", "a Parquet file of texts"):
        import polars as pl

    try:
        found = pl.read_parquet(io.BytesIO(content))
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path} is a damaged Parquet file: {str(error).splitlines()[0]}") from error
    if not found.height:
        raise InputError(f"{path}: expected {_WANTED}, got no row")
    return found.to_dict(as_series=False)


def _json_lines(path: Path, text: str) -> list[tuple[int, dict[str, Any]]]:
    records = []
    for number, line in enumerate(lines_of(text), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            raise InputError(f"{path}, line {number}: expected a JSON object, got {line[:40]!r}") from None
        if not isinstance(record, dict):
            raise InputError(f"{path}, line {number}: expected a JSON object, got {line[:40]!r}")
        records.append((number, record))
    return records


def _table(path: Path, text: str) -> list[tuple[int, dict[str, Any]]]:
    head = text.split("\n", 1)[0]
    separator = max("\t,;", key=head.count)
    rows = _without_quotes(text) if separator == "\t" else None
    if rows is None:
        text = text if "\n" in text else text.replace("\r", "\n")
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        csv.field_size_limit(max(csv.field_size_limit(), len(text)))
        try:
            rows = [(reader.line_num, cells) for cells in reader if cells]
        except csv.Error as error:
            raise InputError(f"{path}, line {reader.line_num + 1}: cannot be read as CSV: {error}") from error
    (_, names), *rows = rows
    names = [name.strip() for name in names]
    for line, cells in rows:
        if len(cells) != len(names):
            raise InputError(f"{path}, line {line}: expected {len(names)} cells as in the first line, got {len(cells)}")
    if not rows:
        raise InputError(f"{path}: expected {_WANTED}, got a header alone")
    return [(line, dict(zip(names, cells, strict=True))) for line, cells in rows]


def _without_quotes(text: str) -> list[tuple[int, list[str]]] | None:
    """Rows of a file in which a quotation mark is a character like any other; None where that does not fit."""
    rows = [(n, line.rstrip("\r").split("\t")) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    return rows if len({len(cells) for _, cells in rows}) == 1 else None


def _guessed_label(columns: dict[str, list[Any]], text: str | None) -> str | None:
    """The column with a usual name, else the only one with few different values."""
    named = _named(columns, _LABEL)
    if named is not None:
        return named
    few = [
        name
        for name, cells in columns.items()
        if name != text and 2 <= len(set(map(str, cells))) <= min(_MOST_CLASSES, len(cells) // 2)
    ]
    return few[0] if len(few) == 1 else None


def _guessed_text(path: Path, columns: dict[str, list[Any]], label: str | None) -> str:
    """The column with a usual name, else the one with the longest texts."""
    free = {name: cells for name, cells in columns.items() if name != label}
    named = _named(free, _TEXT)
    if named is not None:
        return named
    if not free:
        raise InputError(f"{path}: expected a column of texts beside the column {label}, got none")
    return max(free, key=lambda name: sum(len(str(cell)) for cell in free[name]))


def _named(columns: dict[str, list[Any]], names: tuple[str, ...]) -> str | None:
    return next((c for name in names for c in columns if c.lower() == name), None)


def _filled(
    path: Path, cells: list[Any], lines: list[int], column: str, what: str, *, needed: bool = True
) -> list[str]:
    texts = ["" if cell is None else str(cell).strip() for cell in cells]
    for row, text in enumerate(texts):
        if needed and not text:
            raise InputError(f"{path}, line {lines[row]}, column {column}: expected a {what}, got an empty cell")
    return texts
