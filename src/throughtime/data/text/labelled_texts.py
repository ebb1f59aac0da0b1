"""Texts with a label each, from a table (TSV, CSV, Parquet) or from JSON lines; columns are given or guessed and said.

Tables of texts are read here and not as those of numbers: in a file separated by tabs a quotation mark is mostly a
character like any other, which is tried first.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from throughtime._core.errors import InputError, requires
from throughtime.data.containers import is_missing
from throughtime.data.files import decode_text, read_bytes, split_lines

if TYPE_CHECKING:
    from pathlib import Path

_TEXT = ("text", "sentence", "review", "tweet", "content", "message", "document", "comment", "title")
_LABEL = ("label", "class", "target", "category", "sentiment", "emotion", "y", "topic")
_MOST_CLASSES = 200
_LEAST_ROWS = 10  # fewer do not show what is a class
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_WANTED = "a table with a header, a column of texts and one of labels"
_KIND = "TSV, CSV, Parquet or JSON lines"


@dataclass(frozen=True)
class LabelledTexts:
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


def read_labelled_texts(
    path: Path,
    *,
    text: str | None = None,
    label: str | None = None,
    need_labels: bool = True,
    former: tuple[str | None, str | None] = (None, None),
) -> LabelledTexts:
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
    columns, lines, notes = _columns(path, (*_TEXT, *_LABEL, *(name for name in (text, label, *former) if name)))
    for option, name in (("text", text), ("label", label)):
        if name is not None and name not in columns:
            close = get_close_matches(name, columns, n=1)
            hint = f"did you mean {close[0]}?" if close else f"its columns are {', '.join(columns)}"
            raise InputError(f"{option}: {path} has no column {name}; {hint}")
    chosen = label
    text, label = (
        given or (name if name in columns else None) for given, name in zip((text, label), former, strict=True)
    )
    label = label or _guessed_label(path, columns, text, need=need_labels)
    if label is None and need_labels:
        raise InputError(f"{path}: expected {_WANTED}, got the columns {', '.join(columns)}; name it with --label")
    text = text or _guessed_text(path, columns, label)
    if need_labels and label is not None and chosen is None:
        _check_classes(path, columns, text, label)
    notes.append(f"Texts: column {text} (another one with --text).")
    if label is not None and need_labels:
        notes.append(f"Labels: column {label} (another one with --label).")
    return LabelledTexts(
        path,
        _filled(path, columns[text], lines, text, "text"),
        None if label is None else _filled(path, columns[label], lines, label, "label", needed=need_labels),
        notes,
    )


def _columns(path: Path, usual: tuple[str, ...]) -> tuple[dict[str, list[Any]], list[int], list[str]]:
    """Cells by column, the line of each row, and notes; `usual` are names of columns that are no texts themselves."""
    content = read_bytes(path, _WANTED, _KIND)
    if content[:4] == b"PAR1":
        found = _parquet(path, content)
        return found, list(range(1, len(next(iter(found.values()), [])) + 1)), []
    text = decode_text(path, content, _KIND)
    beginning, notes = text.lstrip()[:2].replace(" ", ""), []
    if beginning.startswith("{"):
        records = _json_lines(path, text)
    elif beginning in ("[{", "[\n", "[\r"):
        records = _json_array(path, text)
    else:
        records, notes = _table(path, text, usual)
    names = list(dict.fromkeys(name for _, record in records for name in record))
    columns = {name: [record.get(name) for _, record in records] for name in names}
    return columns, [line for line, _ in records], notes


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
    for number, line in enumerate(split_lines(text), 1):
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


def _json_array(path: Path, text: str) -> list[tuple[int, dict[str, Any]]]:
    try:
        records = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected JSON with a list of objects, got something else: {error}") from None
    if not records or not all(isinstance(record, dict) for record in records):
        raise InputError(f"{path}: expected JSON with a list of objects such as {{'text': …, 'label': …}}")
    return list(enumerate(records, 1))


def _table(path: Path, text: str, usual: tuple[str, ...]) -> tuple[list[tuple[int, dict[str, Any]]], list[str]]:
    named = re.match(r'"?sep=(.)"?\r?\n', text, re.IGNORECASE)
    if named:
        text = "\n" + text[named.end() :]  # the lines keep their numbers
    separator = named[1] if named else _separator(text)
    rows = _without_quotes(text) if separator == "\t" else None
    if rows is None:
        text = text if "\n" in text else text.replace("\r", "\n")
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        csv.field_size_limit(max(csv.field_size_limit(), len(text)))
        try:
            rows = [(reader.line_num, cells) for cells in reader if cells]
        except csv.Error as error:
            raise InputError(f"{path}, line {reader.line_num + 1}: cannot be read as CSV: {error}") from error
    (first, names), *rows = rows
    for line, cells in rows:
        if len(cells) != len(names):
            raise InputError(f"{path}, line {line}: expected {len(names)} cells as in the first line, got {len(cells)}")
    notes = []
    if _is_data(names, [cells for _, cells in rows], usual):
        rows = [(first, names), *rows]
        names = [""] * len(names)
        notes.append("The file has no header: its columns are called 'column 1' and so on.")
    if not rows:
        raise InputError(f"{path}: expected {_WANTED}, got a header alone")
    names = [name.strip() or f"column {number}" for number, name in enumerate(names, 1)]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path}, line {first}: expected different names of columns, got {name} twice; rename one")
    return [(line, dict(zip(names, cells, strict=True))) for line, cells in rows], notes


def _separator(text: str) -> str:
    """The separator that comes as often in every line, else the one that comes most often in the first."""
    lines = [line for line in split_lines(text) if line.strip()]
    even = [mark for mark in "\t,;|" if mark in lines[0] and len({line.count(mark) for line in lines}) == 1]
    return max(even or "\t,;|", key=lines[0].count)


def _is_data(names: list[str], rows: list[list[str]], usual: tuple[str, ...]) -> bool:
    """Whether the first line is a row like the others.

    It is where none of its cells is a usual name of a column, and one of them is a class of its column, which has few,
    or the only cell of its line.
    """
    if {name.strip().lower() for name in names} & {name.lower() for name in usual}:
        return False
    if len(names) == 1:
        return True
    columns = [Counter(cell.strip() for cell in column) for column in zip(*rows, strict=True)]
    return any(
        bool(name.strip()) and counts[name.strip()] > 0 and len(counts) <= min(_MOST_CLASSES, len(rows) // 2)
        for name, counts in zip(names, columns, strict=False)
    )


def _without_quotes(text: str) -> list[tuple[int, list[str]]] | None:
    """Rows of a file in which a quotation mark is a character like any other; None where that does not fit.

    Where each cell with such a mark is quoted as a whole, as CSV has it, the marks belong to the format.
    """
    rows = [(n, line.rstrip("\r").split("\t")) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    marked = [cell for _, cells in rows for cell in cells if '"' in cell]
    if marked and all(_QUOTED.fullmatch(cell) for cell in marked):
        return None
    return rows if len({len(cells) for _, cells in rows}) == 1 else None


def _check_classes(path: Path, columns: dict[str, list[Any]], text: str, label: str) -> None:
    """Refuse a guessed column of labels that has a value of its own in most rows.

    Raises:
        InputError: names both columns.
    """
    counts = {name: len(set(map(str, columns[name]))) for name in (text, label)}
    rows = len(columns[label])
    if rows >= _LEAST_ROWS and 2 * counts[label] > rows:
        hint = f"; are the columns {text} and {label} swapped?" if counts[text] < counts[label] else ""
        raise InputError(
            f"{path}: expected classes in the column {label}, got {counts[label]} different values in {rows} "
            f"rows{hint}; name the columns with --text and --label"
        )


def _guessed_label(path: Path, columns: dict[str, list[Any]], text: str | None, *, need: bool) -> str | None:
    """The column with a usual name, else the only one with few different values.

    Raises:
        InputError: where two columns would do.
    """
    named = [column for column in columns if column.lower() in _LABEL and column != text]
    if need and any(columns[column] != columns[named[0]] for column in named):
        raise InputError(f"{path}: the labels may be in {' or '.join(named)}; name the column with --label")
    if named:
        return named[0]
    few = [
        name
        for name, cells in columns.items()
        if name != text and 2 <= len(set(map(str, cells))) <= min(_MOST_CLASSES, len(cells) // 2)
    ]
    if need and len(few) > 1:
        raise InputError(f"{path}: the labels may be in {' or '.join(few)}; name the column with --label")
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
    for row, cell in enumerate(cells):
        if isinstance(cell, list | dict):
            raise InputError(f"{path}, line {lines[row]}, column {column}: expected a {what}, got {str(cell)[:40]}")
    texts = ["" if is_missing(cell) else str(cell).strip() for cell in cells]
    for row, text in enumerate(texts):
        if needed and not text:
            raise InputError(f"{path}, line {lines[row]}, column {column}: expected a {what}, got an empty cell")
    return texts
