"""Names of series: one form for each, whatever type the column has, so that a series is recognized in later data.

`1`, `1.0`, `np.int64(1)`, `Decimal("1")` and `"1"` are one series; `"01"` is another one. Columns of mixed types, such
as texts among numbers, are refused, and so are types that are not names: dates, truth values, lists.
"""

from __future__ import annotations

import unicodedata
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np

from throughtime._core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import narwhals

_NAME_ALL = "; name the series of every row"
_EXACT = 2**53  # whole numbers beyond it are rounded in a column of floats


def read_series_ids(column: narwhals.Series, known: Sequence[Any] = ()) -> np.ndarray:
    """Read the series of each row: int64 where all names are whole numbers, else texts without spaces around them.

    Args:
        column: names of series.
        known: names of training, whose types win over those of the column.

    Raises:
        InputError: for an empty name, a type that is not a name, mixed types, and for a name that may be a known one
            written in another way, such as '01' where series are known by whole numbers.
    """
    import narwhals as nw

    title = f"column {column.name}"
    if column.null_count():
        raise InputError(f"{title}: row {int(column.is_null().arg_true()[0]) + 1} is empty{_NAME_ALL}")
    if column.dtype.is_integer() and not len(known):
        return column.to_numpy()
    if column.dtype == nw.Object:  # where True equals 1
        heads = np.arange(len(column))
    else:  # the rows of a series mostly lie together: one look for all of them
        heads = np.flatnonzero((column != column.shift(1)).fill_null(True).to_numpy())  # noqa: FBT003
    names = identifiers(column[heads.tolist()].to_list(), heads, title)
    return np.repeat(_match(names, known, title), np.diff(heads, append=len(column)))


def identifiers(cells: Sequence[Any], at: np.ndarray, title: str) -> np.ndarray:
    """Bring names of series into one form.

    Args:
        cells: the names.
        at: their rows, from 0 on, for messages.
        title: of their column, for messages.

    Raises:
        InputError: as `read_series_ids`.
    """
    names = [_identifier(cell, f"{title}: row {row + 1}") for cell, row in zip(cells, at.tolist(), strict=True)]
    is_text = np.array([isinstance(cell, str | UUID) for cell in cells])
    if is_text.any() and not is_text.all():
        first, other = sorted((int(is_text.argmax()), int((~is_text).argmax())))
        raise InputError(
            f"{title}: expected names of one type, got {cells[first]!r} ({type(cells[first]).__name__}) in row "
            f"{at[first] + 1} and {cells[other]!r} ({type(cells[other]).__name__}) in row {at[other] + 1}; "
            "write all as texts or all as whole numbers"
        )
    small = all(isinstance(name, int) and -(2**63) <= name < 2**63 for name in names)
    return np.array(names, dtype=np.int64) if small else np.array([str(name) for name in names])


def _match(names: np.ndarray, known: Sequence[Any], title: str) -> np.ndarray:
    """Give names the type that they have in training, and refuse those that may be a known one.

    Raises:
        InputError: where a name is another one by its text, but the same as a number.
    """
    if not len(known):
        return names
    texts = [isinstance(name, str) for name in known]
    from_numbers = names.dtype.kind != "U"
    if all(texts):
        names = names.astype(str)
    elif not any(texts) and not from_numbers:
        names = _as_numbers(names, {*map(str, known)}, title)
    new = {*names.tolist()}.difference(known)
    if new:
        _refuse_lookalikes(new, known, title, strict=from_numbers or not all(texts))
    return names


def _as_numbers(names: np.ndarray, known: set[str], title: str) -> np.ndarray:
    """Texts of whole numbers as such, where series are known by those."""
    odd = [name for name in names.tolist() if len(name) > 18 or not name.isdecimal() or str(int(name)) != name]
    if not odd:
        return names.astype(np.int64)
    if known & {*names.tolist()}:
        raise InputError(f"{title}: expected whole numbers, by which series are known, got {odd[0]!r}")
    return names


def _refuse_lookalikes(new: Iterable[Any], known: Sequence[Any], title: str, *, strict: bool) -> None:
    """Refuse a name that is not known, but is the same number as a known one and was a number in one of both.

    With `strict` one of both columns holds numbers; else both hold texts, of which '1.0' was a number once.
    """
    numbers = {number: name for name in known if (number := _number(name)) is not None}
    for name in new if numbers else ():
        number = _number(name)
        former = None if number is None else numbers.get(number)
        if former is not None and (strict or _is_float(name) or _is_float(former)):
            raise InputError(
                f"{title}: {name!r} is not known, but {former!r} is, which is the same number; write the series as in "
                "training, or give a new series another name"
            )


def _identifier(cell: Any, place: str) -> int | str:
    """The one form of a name: a whole number, or a text."""
    if isinstance(cell, str | UUID):
        text = unicodedata.normalize("NFC", str(cell)).strip()
        if not text:
            raise InputError(f"{place} is empty{_NAME_ALL}")
        return text
    if isinstance(cell, bool | np.bool_) or not isinstance(cell, int | float | Decimal | np.integer | np.floating):
        raise InputError(
            f"{place} holds {cell!r} ({type(cell).__name__}); expected texts or whole numbers: "
            "convert the column to text"
        )
    if isinstance(cell, int | np.integer):
        return int(cell)
    if cell != cell:  # noqa: PLR0124  NaN
        raise InputError(f"{place} is empty{_NAME_ALL}")
    if isinstance(cell, float | np.floating) and not abs(cell) <= _EXACT:
        raise InputError(
            f"{place} holds {cell!r}, a rounded or infinite number, which may be several series; "
            "read the column as text"
        )
    return int(cell) if cell == int(cell) else format(Decimal(str(cell)).normalize(), "f")


def _number(name: Any) -> Decimal | None:
    """The number that a name is, if it is one; full texts of long numbers are compared digit by digit."""
    try:
        number = Decimal(name if isinstance(name, str) else int(name))
    except (InvalidOperation, ValueError):
        return None
    return number if number.is_finite() else None


def _is_float(name: Any) -> bool:
    """Whether a text is a whole number with a decimal point, as a column of floats is written."""
    return isinstance(name, str) and name.rpartition(".")[2].strip("0") == "" and "." in name
