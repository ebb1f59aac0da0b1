"""Rows of totals and footnotes after the data. They are left out and reported."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl

from throughtime.app.tables.header import is_value
from throughtime.app.tables.number_columns import to_numbers

if TYPE_CHECKING:
    from throughtime.app.tables.files import FileRows

_TOTALS = {
    "total", "totals", "grand total", "subtotal", "sum", "overall", "average", "avg", "mean", "median", "minimum",
    "min", "maximum", "max", "std", "stdev", "count", "summe", "gesamt", "gesamtsumme", "gesamtergebnis",
    "zwischensumme", "insgesamt", "mittelwert", "durchschnitt", "mittel", "totaal", "totale", "totales",
    "total general", "total général", "suma", "somma", "somme", "soma", "moyenne", "media", "promedio", "média",
    "totalt", "summa", "i alt", "yhteensä", "razem", "celkem", "összesen", "toplam", "итого", "всего", "合计", "总计",
    "合計", "総計", "합계",
}  # fmt: skip
_MAX_FOOTER_ROWS = 20
_SAMPLE_ROWS = 200  # before the footer, to find the type of a column
_TOLERANCE = 1e-6


def is_total(cell: str) -> bool:
    """Return whether a cell marks its row as totals, means or similar."""
    words = re.sub(r"[\s:(]+(?:\d.*)?$", "", cell)  # Total (12), Total 2024:
    return words.strip().lower() in _TOTALS


def drop_footer(rows: FileRows) -> FileRows:
    """Return a table without totals and footnotes at its end."""
    frame = rows.frame
    kept = frame.height
    reasons: list[str] = []
    while frame.height - kept < _MAX_FOOTER_ROWS and kept > 2:
        reason = _non_data_reason(rows, kept)
        if reason is None:
            break
        reasons.append(f"{rows.unit} {rows.lines[kept - 1]} ({reason})")
        kept -= 1
    if not reasons:
        return rows
    note = f"Footer: rows after the data were left out: {', '.join(reversed(reasons))}."
    return replace(rows, frame=frame.head(kept), lines=rows.lines.head(kept), notes=[*rows.notes, note])


def _non_data_reason(rows: FileRows, kept: int) -> str | None:
    """Return why the last of the first `kept` rows is not data, None if it is."""
    frame = rows.frame
    row: dict[str, Any] = {
        name: cell for name, cell in zip(frame.columns, frame.row(kept - 1), strict=True) if cell is not None
    }
    words = {name: cell for name, cell in row.items() if isinstance(cell, str)}
    before = frame.slice(max(0, kept - 1 - _SAMPLE_ROWS), min(kept - 1, _SAMPLE_ROWS))
    first = next((name for name in frame.columns if _is_value_column(before[name])), None)
    if first is None or frame.width == 1:
        return None
    total = next((name for name, word in words.items() if is_total(word)), None)
    if total is not None and (first not in row or total == first):
        return repr(row[total])
    if len(row) == len(words) == 1 and not is_value(*row.values()):
        return repr(next(iter(row.values()))[:40])
    if first not in row and row and before[first].null_count() == 0 and _are_totals(frame.head(kept), row):
        return "a total without a date"
    return None


def _is_value_column(cells: pl.Series) -> bool:
    """Return whether most cells are numbers or dates; the others may be of totals."""
    cells = cells.drop_nulls()
    if cells.dtype != pl.String:
        return bool(len(cells)) and (cells.dtype.is_numeric() or cells.dtype.is_temporal())
    return 2 * sum(is_value(cell) for cell in cells.to_list()) > len(cells)


def _are_totals(frame: pl.DataFrame, row: dict[str, Any]) -> bool:
    """Return whether the numbers of the last row are sums or means of those above them."""
    for name in row:
        values = to_numbers(frame[name])
        if values is None or values[-1] is None:
            return False
        above = values.head(frame.height - 1)
        expected = [above.sum(), above.mean()]
        if not any(
            isinstance(e, int | float) and abs(e - values[-1]) <= _TOLERANCE * abs(values[-1]) for e in expected
        ):
            return False
    return True
