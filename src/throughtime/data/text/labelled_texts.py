"""Read labelled texts from a table (TSV, CSV, Parquet) or from JSON lines; columns that are not named are guessed.

Tables of texts are not read like tables of numbers: in a file separated by tabs a quotation mark is mostly an ordinary
character, which is tried first.
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
from throughtime.data.encodings import decode_bytes
from throughtime.data.files import read_bytes, split_lines

if TYPE_CHECKING:
    from pathlib import Path

_TEXT_NAMES = ("text", "sentence", "review", "tweet", "content", "message", "document", "comment", "title")
_LABEL_NAMES = ("label", "class", "target", "category", "sentiment", "emotion", "y", "topic")
_MAX_CLASSES = 200
_MIN_ROWS = 10  # fewer rows do not show whether labels are classes
_QUOTED_CELL = re.compile(r'"(?:[^"]|"")*"')
_EXPECTED = "a table with a header, a column of texts and one of labels"
_KIND = "TSV, CSV, Parquet or JSON lines"


@dataclass(frozen=True)
class LabelledTexts:
    """The texts of a file.

    Attributes:
        path: path of the file.
        texts: text of each row.
        labels: label of each row; None if the file has none.
        notes: sentences about what was guessed.
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
    """Read texts and, if there are any, their labels.

    Args:
        path: path of the file.
        text: column of the texts, guessed if None.
        label: column of the labels, guessed if None.
        need_labels: whether to raise if the file has no labels.
        former: columns of texts and labels in training, which are used instead of guessing if the file has them.

    Raises:
        InputError: if the file cannot be used; names the first row without a text or a label.
    """
    columns, lines, notes = _read_columns(
        path, (*_TEXT_NAMES, *_LABEL_NAMES, *(name for name in (text, label, *former) if name))
    )
    for option, name in (("text", text), ("label", label)):
        if name is not None and name not in columns:
            close = get_close_matches(name, columns, n=1)
            hint = f"did you mean {close[0]}?" if close else f"its columns are {', '.join(columns)}"
            raise InputError(f"{option}: {path} has no column {name}; {hint}")
    requested = label
    text, label = (
        requested_name or (name if name in columns else None)
        for requested_name, name in zip((text, label), former, strict=True)
    )
    label = label or _guess_label(path, columns, text, required=need_labels)
    if label is None and need_labels:
        raise InputError(f"{path}: expected {_EXPECTED}, got the columns {', '.join(columns)}; name it with --label")
    text = text or _guess_text(path, columns, label)
    if need_labels and label is not None and requested is None:
        _check_classes(path, columns, text, label)
    notes.append(f"Texts: column {text} (another one with --text).")
    if label is not None and need_labels:
        notes.append(f"Labels: column {label} (another one with --label).")
    return LabelledTexts(
        path,
        _clean_cells(path, columns[text], lines, text, "text"),
        None if label is None else _clean_cells(path, columns[label], lines, label, "label", needed=need_labels),
        notes,
    )


def _read_columns(path: Path, usual_names: tuple[str, ...]) -> tuple[dict[str, list[Any]], list[int], list[str]]:
    """Return the cells by column, the line of each row, and notes; a header contains one of `usual_names`."""
    content = read_bytes(path, _EXPECTED, _KIND)
    if content[:4] == b"PAR1":
        columns = _read_parquet(path, content)
        return columns, list(range(1, len(next(iter(columns.values()), [])) + 1)), []
    text, encoding = decode_bytes(path, content, _KIND, advice="save the file as UTF-8")
    notes = [f"Encoding: {encoding} (save the file as UTF-8 if that is wrong)."] if encoding else []
    beginning = text.lstrip()[:2].replace(" ", "")
    if beginning.startswith("{"):
        records = _read_json_lines(path, text)
    elif beginning in ("[{", "[\n", "[\r"):
        records = _read_json_array(path, text)
    else:
        records, table_notes = _read_table(path, text, usual_names)
        notes += table_notes
    names = list(dict.fromkeys(name for _, record in records for name in record))
    columns = {name: [record.get(name) for _, record in records] for name in names}
    return columns, [line for line, _ in records], notes


def _read_parquet(path: Path, content: bytes) -> dict[str, list[Any]]:
    with requires("text", "a Parquet file of texts"):
        import polars as pl

    try:
        frame = pl.read_parquet(io.BytesIO(content))
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path} is a damaged Parquet file: {str(error).splitlines()[0]}") from error
    if not frame.height:
        raise InputError(f"{path}: expected {_EXPECTED}, got no row")
    return frame.to_dict(as_series=False)


def _read_json_lines(path: Path, text: str) -> list[tuple[int, dict[str, Any]]]:
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


def _read_json_array(path: Path, text: str) -> list[tuple[int, dict[str, Any]]]:
    try:
        records = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected JSON with a list of objects, got something else: {error}") from None
    if not records or not all(isinstance(record, dict) for record in records):
        raise InputError(f"{path}: expected JSON with a list of objects such as {{'text': …, 'label': …}}")
    return list(enumerate(records, 1))


def _read_table(
    path: Path, text: str, usual_names: tuple[str, ...]
) -> tuple[list[tuple[int, dict[str, Any]]], list[str]]:
    named = re.match(r'"?sep=(.)"?\r?\n', text, re.IGNORECASE)
    if named:
        text = "\n" + text[named.end() :]  # the lines keep their numbers
    separator = named[1] if named else _detect_separator(text)
    rows = _split_unquoted(text) if separator == "\t" else None
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
    if _first_row_is_data(names, [cells for _, cells in rows], usual_names):
        rows = [(first, names), *rows]
        names = [""] * len(names)
        notes.append("The file has no header: its columns are called 'column 1' and so on.")
    if not rows:
        raise InputError(f"{path}: expected {_EXPECTED}, got a header alone")
    names = [name.strip() or f"column {number}" for number, name in enumerate(names, 1)]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path}, line {first}: expected different names of columns, got {name} twice; rename one")
    return [(line, dict(zip(names, cells, strict=True))) for line, cells in rows], notes


def _detect_separator(text: str) -> str:
    """Return the separator that is equally frequent in all lines, else the most frequent one in the first line."""
    lines = [line for line in split_lines(text) if line.strip()]
    consistent = [mark for mark in "\t,;|" if mark in lines[0] and len({line.count(mark) for line in lines}) == 1]
    return max(consistent or "\t,;|", key=lines[0].count)


def _first_row_is_data(names: list[str], rows: list[list[str]], usual_names: tuple[str, ...]) -> bool:
    """Return whether the first line is a row rather than a header.

    None of its cells is a usual column name, and one of them is a class that occurs in its column, or the only cell.
    """
    if {name.strip().lower() for name in names} & {name.lower() for name in usual_names}:
        return False
    if len(names) == 1:
        return True
    columns = [Counter(cell.strip() for cell in column) for column in zip(*rows, strict=True)]
    return any(
        bool(name.strip()) and counts[name.strip()] > 0 and len(counts) <= min(_MAX_CLASSES, len(rows) // 2)
        for name, counts in zip(names, columns, strict=False)
    )


def _split_unquoted(text: str) -> list[tuple[int, list[str]]] | None:
    """Split the rows of a file in which quotation marks are ordinary characters; None if rows then differ in length.

    Also None if all cells with quotation marks are quoted as a whole, as in CSV.
    """
    rows = [(n, line.rstrip("\r").split("\t")) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    with_quotes = [cell for _, cells in rows for cell in cells if '"' in cell]
    if with_quotes and all(_QUOTED_CELL.fullmatch(cell) for cell in with_quotes):
        return None
    return rows if len({len(cells) for _, cells in rows}) == 1 else None


def _check_classes(path: Path, columns: dict[str, list[Any]], text: str, label: str) -> None:
    """Raise if a guessed column of labels has different values in most rows.

    Raises:
        InputError: names both columns.
    """
    counts = {name: len(set(map(str, columns[name]))) for name in (text, label)}
    rows = len(columns[label])
    if rows >= _MIN_ROWS and 2 * counts[label] > rows:
        hint = f"; are the columns {text} and {label} swapped?" if counts[text] < counts[label] else ""
        raise InputError(
            f"{path}: expected classes in the column {label}, got {counts[label]} different values in {rows} "
            f"rows{hint}; name the columns with --text and --label"
        )


def _guess_label(path: Path, columns: dict[str, list[Any]], text: str | None, *, required: bool) -> str | None:
    """Return the column with a usual name, else the only one with few distinct values.

    Raises:
        InputError: if two columns qualify.
    """
    named = [column for column in columns if column.lower() in _LABEL_NAMES and column != text]
    if required and any(columns[column] != columns[named[0]] for column in named):
        raise InputError(f"{path}: the labels may be in {' or '.join(named)}; name the column with --label")
    if named:
        return named[0]
    candidates = [
        name
        for name, cells in columns.items()
        if name != text and 2 <= len(set(map(str, cells))) <= min(_MAX_CLASSES, len(cells) // 2)
    ]
    if required and len(candidates) > 1:
        raise InputError(f"{path}: the labels may be in {' or '.join(candidates)}; name the column with --label")
    return candidates[0] if len(candidates) == 1 else None


def _guess_text(path: Path, columns: dict[str, list[Any]], label: str | None) -> str:
    """Return the column with a usual name, else the one with the longest texts."""
    other_columns = {name: cells for name, cells in columns.items() if name != label}
    named = _find_named(other_columns, _TEXT_NAMES)
    if named is not None:
        return named
    if not other_columns:
        raise InputError(f"{path}: expected a column of texts next to the column {label}, got none")
    return max(other_columns, key=lambda name: sum(len(str(cell)) for cell in other_columns[name]))


def _find_named(columns: dict[str, list[Any]], names: tuple[str, ...]) -> str | None:
    return next((c for name in names for c in columns if c.lower() == name), None)


def _clean_cells(
    path: Path, cells: list[Any], lines: list[int], column: str, noun: str, *, needed: bool = True
) -> list[str]:
    for row, cell in enumerate(cells):
        if isinstance(cell, list | dict):
            raise InputError(f"{path}, line {lines[row]}, column {column}: expected a {noun}, got {str(cell)[:40]}")
    texts = ["" if is_missing(cell) else str(cell).strip() for cell in cells]
    for row, text in enumerate(texts):
        if needed and not text:
            raise InputError(f"{path}, line {lines[row]}, column {column}: expected a {noun}, got an empty cell")
    return texts
