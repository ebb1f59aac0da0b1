"""Covariates: columns other than the target, and features of the calendar.

A column has a role: the values of `future` columns are known for the steps to forecast too (prices, promotions, a
weather forecast), those of `past` columns up to now, and `static` columns have one value for each series. `Feature`
encodes a column as numbers or category codes, and `Exogenous` holds all encoded columns on the grid of the series.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from throughtime._core.errors import InputError
from throughtime._core.floats import to_float, to_floats
from throughtime.data.series.calendar_features import CYCLES, CalendarFeatures, list_holidays

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float, Int, Shaped

ROLES = ("future", "past", "static")
"""Roles of a column."""

_MAX_CATEGORIES = 200
_MAX_LISTED = 5  # categories in a message


@dataclass(frozen=True)
class Covariates:
    """Columns next to y that help to forecast it; each holds numbers, booleans or words.

    Args:
        future: columns that are known in advance for the steps to forecast.
        past: columns that are known up to the end of the history.
        static: columns that have one value for each series.
        holidays: country whose public holidays are a feature, such as 'DE', or a subdivision, such as 'US-CA'.
        calendar: whether the position within the day, the week, the month and the year is a feature, as far as it
            applies to the frequency.

    >>> Covariates(future=["price", "promotion"], holidays="DE").names
    ('price', 'promotion')
    """

    future: Sequence[str] = ()
    past: Sequence[str] = ()
    static: Sequence[str] = ()
    holidays: str = ""
    calendar: bool = False

    def __post_init__(self) -> None:
        for role in ROLES:
            columns = getattr(self, role)
            if isinstance(columns, str) or not all(isinstance(name, str) for name in columns):
                raise InputError(f"covariates: expected a list of names of columns as {role}, got {columns!r}")
            object.__setattr__(self, role, tuple(columns))
        duplicates = [name for i, name in enumerate(self.names) if name in self.names[:i]]
        if duplicates:
            raise InputError(f"covariates: {duplicates[0]} is named twice; a column is either future, past or static")
        if not isinstance(self.holidays, str):
            raise InputError(f"covariates: expected a country such as 'DE' as holidays, got {self.holidays!r}")
        if not isinstance(self.calendar, bool):
            raise InputError(f"covariates: expected True or False as calendar, got {self.calendar!r}")
        if self.holidays:
            list_holidays(self.holidays, [2024])

    def __str__(self) -> str:
        entries = [(role, ", ".join(getattr(self, role))) for role in ROLES]
        entries += [
            ("holidays", self.holidays),
            ("calendar", "position in the cycles of the dates" if self.calendar else ""),
        ]
        return "; ".join(f"{name}: {text}" for name, text in entries if text)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, in order of their roles."""
        return (*self.future, *self.past, *self.static)

    @property
    def dates(self) -> CalendarFeatures:
        """Features of the dates."""
        return CalendarFeatures(self.holidays, CYCLES if self.calendar else ())

    def role(self, name: str) -> str:
        """Return the role of a column."""
        return next(role for role in ROLES if name in getattr(self, role))


@dataclass(frozen=True)
class Feature:
    """The encoding of a column, fitted in training.

    Attributes:
        name: name of the column.
        role: 'future', 'past' or 'static'.
        categories: words in the column, the most frequent first; empty for numbers.
        flag: whether its numbers are not scaled: all are 0 or 1, or it is a feature of the calendar.
        mean: mean of the numbers.
        scale: standard deviation of the numbers, 1 if they are constant.
        counts: rows of each category; empty if not counted, as in models of former versions.
        low: lowest number; None if not known.
        high: highest number; None if not known.
    """

    name: str
    role: str
    categories: tuple[str, ...] = ()
    flag: bool = False
    mean: float = 0.0
    scale: float = 1.0
    counts: tuple[int, ...] = ()
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "categories", tuple(self.categories))
        object.__setattr__(self, "counts", tuple(self.counts))
        if self.counts and len(self.counts) != len(self.categories):
            raise ValueError(f"feature: expected a count for each category: {self}")
        if self.role not in ROLES or not isinstance(self.name, str) or type(self.flag) is not bool:
            raise ValueError(f"feature: expected a name, a role of {', '.join(ROLES)} and a boolean flag, got {self}")

    @classmethod
    def of(cls, name: str, role: str, cells: list[Any]) -> Self:
        """Fit the encoding of a column to its cells."""
        filled = [cell for cell in cells if not _is_empty(cell)]
        if not filled:
            raise InputError(f"column {name}: expected numbers or words, got only empty cells")
        if all(isinstance(cell, int | float | Decimal | np.number | np.bool_) for cell in filled):
            _check_finite(name, to_floats(None if _is_empty(cell) else cell for cell in cells))
            return cls(name, role)._fit_numbers(to_floats(filled))  # noqa: SLF001 - an instance of this class
        if not all(isinstance(cell, str) for cell in filled):
            other = next(cell for cell in filled if not isinstance(cell, str))
            raise InputError(f"column {name}: expected numbers or words, got {type(other).__name__}")
        words, counts = np.unique(np.array([cell.strip() for cell in filled]), return_counts=True)
        order = np.argsort(-counts, kind="stable")[:_MAX_CATEGORIES]
        return cls(name, role, categories=tuple(words[order].tolist()), counts=tuple(counts[order].tolist()))

    def _fit_numbers(self, numbers: Float[np.ndarray, "T"]) -> Self:
        """Return the feature with the flag, mean, scale and range of numbers."""
        spread = {"mean": float(numbers.mean()), "scale": float(numbers.std()) or 1.0}
        flag = bool(np.isin(numbers, (0.0, 1.0)).all())
        return replace(self, flag=flag, low=float(numbers.min()), high=float(numbers.max()), **spread)

    def refit(self, codes: Float[np.ndarray, "T"]) -> tuple[Feature, Float[np.ndarray, "V"]]:
        """Fit the encoding to a part of the encoded column, and return it with the new code of each old one."""
        observed = codes[np.isfinite(codes)]
        if not self.categories:
            if not len(observed):
                return replace(self, mean=0.0, scale=1.0, low=None, high=None), np.zeros(0)
            return self._fit_numbers(observed), np.zeros(0)
        counts = np.bincount(observed.astype(int), minlength=len(self.categories) + 1)[1:]
        words = np.array(self.categories)
        order = np.lexsort((words, -counts))[: int((counts > 0).sum())]
        new_codes = np.zeros(len(words) + 1)
        new_codes[order + 1] = np.arange(len(order)) + 1
        if not len(order):
            return replace(self, categories=("",), counts=(0,)), new_codes
        return replace(self, categories=tuple(words[order].tolist()), counts=tuple(counts[order].tolist())), new_codes

    @property
    def shares(self) -> Float[np.ndarray, "V"]:
        """Fraction of the rows in each category; equal for all categories if rows were not counted."""
        counts = np.array(self.counts, dtype=np.float64)
        return counts / counts.sum() if counts.sum() > 0 else np.full(len(self.categories), 1 / len(self.categories))

    def encode(self, cells: list[Any]) -> Float[np.ndarray, "T"]:
        """Return numbers unchanged and words as codes from 1 on; 0 for a word not seen in training, NaN if empty.

        Raises:
            InputError: for a cell of another type than in training.
        """
        if self.categories:
            codes = {word: i + 1.0 for i, word in enumerate(self.categories)}
            return np.array([np.nan if _is_empty(cell) else self._code(cell, codes) for cell in cells])
        try:
            numbers = np.array([np.nan if _is_empty(cell) else to_float(cell) for cell in cells])
        except (TypeError, ValueError):
            invalid = next(cell for cell in cells if not _is_number(cell))
            raise InputError(f"column {self.name}: expected numbers as in training, got {invalid!r}") from None
        _check_finite(self.name, numbers)
        return numbers

    def _code(self, cell: Any, codes: dict[str, float]) -> float:
        """Return the code of a cell; a number or a boolean needs a category with the same text."""
        if isinstance(cell, str):
            return codes.get(cell.strip(), 0.0)
        is_whole = isinstance(cell, float) and cell.is_integer()
        code = codes.get(str(int(cell) if is_whole else cell))
        if code is None:
            raise InputError(
                f"column {self.name}: expected words as in training ({self._example_words}), got {cell!r} "
                f"({type(cell).__name__})"
            )
        return code

    def warnings_for(self, cells: list[Any], codes: Float[np.ndarray, "T"]) -> list[str]:
        """Return warnings about words not seen in training, and about numbers far outside the range of training.

        Args:
            cells: cells of later rows.
            codes: the same cells, encoded.
        """
        if not self.categories:
            return self._range_warnings(codes[np.isfinite(codes)])
        words = Counter(cells[row].strip() for row in np.flatnonzero(codes == 0))
        sentences = [self._unseen_warning(word, count) for word, count in words.most_common(_MAX_LISTED)]
        if len(words) > _MAX_LISTED:
            sentences.append(f"Column {self.name}: {len(words) - _MAX_LISTED} more words were not seen in training.")
        return sentences

    def _unseen_warning(self, word: str, count: int) -> str:
        folded = {category.casefold(): category for category in reversed(self.categories)}
        close = get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
        hint = f"the nearest known word is {folded[close[0]]!r}" if close else f"known words are {self._example_words}"
        reason = (
            "was not seen in training"
            if len(self.categories) < _MAX_CATEGORIES
            else f"is not among the {_MAX_CATEGORIES} most frequent words of training"
        )
        rows = "1 row" if count == 1 else f"{count} rows"
        return f"Column {self.name}: {word!r} ({rows}) {reason} and is read as an average word; {hint}."

    def _range_warnings(self, numbers: Float[np.ndarray, "T"]) -> list[str]:
        """Warn of numbers outside the range by more than its width, or positive and below a tenth of the lowest."""
        if self.low is None or self.high is None or not len(numbers):
            return []
        width = self.high - self.low
        is_outlier = (numbers > self.high + width) | (numbers < self.low - width)
        is_outlier |= (self.low > 0) & (numbers < self.low / 10)
        if not is_outlier.any():
            return []
        seen = f"always {self.low:g}" if not width else f"between {self.low:g} and {self.high:g}"
        outliers = numbers[is_outlier]
        rows = "1 row" if len(outliers) == 1 else f"{len(outliers)} rows"
        example = outliers[np.abs(outliers - self.mean).argmax()]
        return [f"Column {self.name}: {rows} far outside the range of training ({seen}), such as {example:g}."]

    @property
    def _example_words(self) -> str:
        more = ", …" if len(self.categories) > _MAX_LISTED else ""
        return ", ".join(map(repr, self.categories[:_MAX_LISTED])) + more

    def decode(self, code: float) -> Any:
        """Return the cell of a code, as text."""
        if not self.categories:
            return f"{code:g}"
        return repr(self.categories[int(code) - 1]) if code else "a word not seen in training"


def _check_finite(name: str, numbers: np.ndarray) -> None:
    """Refuse a column with an infinite number."""
    if np.isinf(numbers).any():
        raise InputError(f"column {name}: row {int(np.isinf(numbers).argmax()) + 1} is infinite; fix it")


def _is_number(cell: Any) -> bool:
    try:
        return _is_empty(cell) or math.isfinite(to_float(cell))
    except (TypeError, ValueError):
        return False


def _is_empty(cell: Any) -> bool:
    return (
        cell is None or (isinstance(cell, float) and math.isnan(cell)) or (isinstance(cell, str) and not cell.strip())
    )


@dataclass(frozen=True)
class Exogenous:
    """Encoded covariates of the series of a panel, each from the first step of its series to its last known value.

    Attributes:
        features: encodings of the C columns.
        values: values of all series, concatenated; NaN if unknown.
        offsets: first row of each series in `values`, and the end.
        calendar: features of the dates.
    """

    features: list[Feature] = field(default_factory=list)
    values: Float[np.ndarray, "T C"] = field(default_factory=lambda: np.zeros((0, 0)))
    offsets: Int[np.ndarray, "bounds"] = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    calendar: CalendarFeatures = field(default_factory=CalendarFeatures)

    @classmethod
    def of(cls, features: list[Feature], arrays: list[Float[np.ndarray, "_ C"]], calendar: CalendarFeatures) -> Self:
        """Concatenate the encoded columns of each series."""
        offsets = np.concatenate([[0], np.cumsum([len(array) for array in arrays])]).astype(np.int64)
        return cls(features, np.concatenate(arrays), offsets, calendar)

    def __getitem__(self, i: int) -> Float[np.ndarray, "T C"]:
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    @property
    def all_features(self) -> list[Feature]:
        """Features of columns and of the calendar."""
        return [*self.features, *(Feature(name, "future", flag=True) for name in self.calendar.names)]

    def refit_features(self, lengths: Int[np.ndarray, "N"], ahead: int) -> Self:
        """Fit the encodings to the first steps of each series only.

        Args:
            lengths: number of steps of each series.
            ahead: additional steps of columns that are known in advance.
        """
        features, values = [], self.values.copy()
        for c, feature in enumerate(self.features):
            extra = ahead if feature.role == "future" else 0
            columns = [self[i][: length + extra, c] for i, length in enumerate(lengths)]
            refitted, new_codes = feature.refit(np.concatenate(columns))
            features.append(refitted)
            if len(new_codes):
                observed = np.isfinite(values[:, c])
                values[observed, c] = new_codes[values[observed, c].astype(int)]
        return replace(self, features=features, values=values)

    def select(self, series: list[int]) -> Self:
        """Return the covariates of some of the series."""
        if not self.features:
            return self
        return self.of(self.features, [self[i] for i in series], self.calendar)

    def covariates_at(self, i: int, stamps: Shaped[np.ndarray, "T"]) -> Float[np.ndarray, "T C"]:
        """Return all features of series i at its first T dates, NaN if unknown."""
        columns = np.full((len(stamps), len(self.features)), np.nan)
        if self.features:
            encoded = self[i][: len(stamps)]
            columns[: len(encoded)] = encoded
            for c, feature in enumerate(self.features):
                if feature.role == "static" and len(encoded):
                    columns[:, c] = encoded[0, c]
        return np.concatenate([columns, self.calendar.covariates_at(stamps)], 1) if self.calendar else columns
