"""What is known beside the values of a series: other columns, and the calendar.

A user names columns by what is known of them: `future` ones also for the steps to forecast (prices, promotions, the
weather as forecast), `past` ones until now, `static` ones once for a series. Each column becomes a `Feature`: numbers
in units of how they usually change, or codes of words; and `Exogenous` holds all of them on the grid of the series.
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
from throughtime.data.series.calendar_features import CYCLES, CalendarFeatures, list_holidays

if TYPE_CHECKING:
    from collections.abc import Sequence

ROLES = ("future", "past", "static")
"""What may be known of a column."""

_MOST_CATEGORIES = 200
_MOST_NAMED = 5  # words in a sentence


@dataclass(frozen=True)
class Covariates:
    """Columns beside y that help to forecast it; each is numbers, true or false, or words.

    Args:
        future: columns that are known in advance for the steps to forecast too.
        past: columns that are known up to the end of the history.
        static: columns that do not change within a series.
        holidays: country whose public holidays are known, such as 'DE', or one and its subdivision, such as 'US-CA'.
        calendar: whether it is known where in the day, the week, the month and the year a date lies, as far as its
            frequency tells.

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
            given = getattr(self, role)
            if isinstance(given, str) or not all(isinstance(name, str) for name in given):
                raise InputError(f"covariates: expected a list of names of columns as {role}, got {given!r}")
            object.__setattr__(self, role, tuple(given))
        again = [name for i, name in enumerate(self.names) if name in self.names[:i]]
        if again:
            raise InputError(f"covariates: {again[0]} is named twice; a column is either future, past or static")
        if not isinstance(self.holidays, str):
            raise InputError(f"covariates: expected a country such as 'DE' as holidays, got {self.holidays!r}")
        if not isinstance(self.calendar, bool):
            raise InputError(f"covariates: expected True or False as calendar, got {self.calendar!r}")
        if self.holidays:
            list_holidays(self.holidays, [2024])

    def __str__(self) -> str:
        parts = [(role, ", ".join(getattr(self, role))) for role in ROLES]
        parts += [("holidays", self.holidays), ("calendar", "as dates tell" if self.calendar else "")]
        return "; ".join(f"{name}: {text}" for name, text in parts if text)

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, in order of their roles."""
        return (*self.future, *self.past, *self.static)

    @property
    def dates(self) -> CalendarFeatures:
        """What is known of every date."""
        return CalendarFeatures(self.holidays, CYCLES if self.calendar else ())

    def role(self, name: str) -> str:
        """What is known of a column."""
        return next(role for role in ROLES if name in getattr(self, role))


@dataclass(frozen=True)
class Feature:
    """What was learned of a column in training.

    Attributes:
        name: of the column.
        role: 'future', 'past' or 'static'.
        categories: words that it holds, the most frequent first; empty for numbers.
        flag: whether its numbers are read as they are: it holds nothing but 0 and 1, or is the calendar's.
        mean: of its numbers.
        scale: their standard deviation, 1 where they do not vary.
        counts: rows of each category; empty where they were not counted, as in models of former versions.
        low: lowest of its numbers; None where it is not known.
        high: highest of its numbers, likewise.
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
            raise ValueError(f"feature: impossible: {self}")

    @classmethod
    def of(cls, name: str, role: str, cells: list[Any]) -> Self:
        """Look at the cells of a column."""
        known = [cell for cell in cells if not _empty(cell)]
        if not known:
            raise InputError(f"column {name}: expected numbers or words, got nothing but empty cells")
        if all(isinstance(cell, int | float | Decimal | np.number | np.bool_) for cell in known):
            return cls(name, role)._of_numbers(np.array(known, dtype=np.float64))  # noqa: SLF001 - one of its own
        if not all(isinstance(cell, str) for cell in known):
            odd = next(cell for cell in known if not isinstance(cell, str))
            raise InputError(f"column {name}: expected numbers or words, got {type(odd).__name__}")
        words, counts = np.unique(np.array([cell.strip() for cell in known]), return_counts=True)
        order = np.argsort(-counts, kind="stable")[:_MOST_CATEGORIES]
        return cls(name, role, categories=tuple(words[order].tolist()), counts=tuple(counts[order].tolist()))

    def _of_numbers(self, numbers: np.ndarray) -> Self:
        """With the flag, the mean, the scale and the range of numbers."""
        spread = {"mean": float(numbers.mean()), "scale": float(numbers.std()) or 1.0}
        flag = bool(np.isin(numbers, (0.0, 1.0)).all())
        return replace(self, flag=flag, low=float(numbers.min()), high=float(numbers.max()), **spread)

    def again(self, codes: np.ndarray) -> tuple[Self, np.ndarray]:
        """What would have been learned of a part of the column, as it was encoded, and new codes for the old ones."""
        known = codes[np.isfinite(codes)]
        if not self.categories:
            if not len(known):
                return replace(self, mean=0.0, scale=1.0, low=None, high=None), np.zeros(0)
            return self._of_numbers(known), np.zeros(0)
        counts = np.bincount(known.astype(int), minlength=len(self.categories) + 1)[1:]
        words = np.array(self.categories)
        order = np.lexsort((words, -counts))[: int((counts > 0).sum())]
        table = np.zeros(len(words) + 1)
        table[order + 1] = np.arange(len(order)) + 1
        if not len(order):
            return replace(self, categories=("",), counts=(0,)), table
        return replace(self, categories=tuple(words[order].tolist()), counts=tuple(counts[order].tolist())), table

    @property
    def shares(self) -> np.ndarray:
        """The share of the rows that each category has; the same for all where they were not counted."""
        counts = np.array(self.counts, dtype=np.float64)
        return counts / counts.sum() if counts.sum() > 0 else np.full(len(self.categories), 1 / len(self.categories))

    def encode(self, cells: list[Any]) -> np.ndarray:
        """Numbers as they are, words as codes from 1 on, 0 for a word never seen in training; NaN where empty.

        Raises:
            InputError: for a cell that the training would not have understood.
        """
        if self.categories:
            codes = {word: i + 1.0 for i, word in enumerate(self.categories)}
            return np.array([np.nan if _empty(cell) else self._code(cell, codes) for cell in cells])
        try:
            found = np.array([np.nan if _empty(cell) else float(cell) for cell in cells])
        except (TypeError, ValueError):
            odd = next(cell for cell in cells if not _is_number(cell))
            raise InputError(f"column {self.name}: expected numbers as in training, got {odd!r}") from None
        if np.isinf(found).any():
            raise InputError(f"column {self.name}: row {int(np.isinf(found).argmax()) + 1} is infinite; mend it")
        return found

    def _code(self, cell: Any, codes: dict[str, float]) -> float:
        """The code of a cell of words; of a number or a truth value only where its text is a known word."""
        if isinstance(cell, str):
            return codes.get(cell.strip(), 0.0)
        whole = isinstance(cell, float) and cell.is_integer()
        code = codes.get(str(int(cell) if whole else cell))
        if code is None:
            raise InputError(
                f"column {self.name}: expected words as in training ({self._some_words}), got {cell!r} "
                f"({type(cell).__name__})"
            )
        return code

    def warnings_for(self, cells: list[Any], codes: np.ndarray) -> list[str]:
        """Sentences about words that training has not seen, and about numbers far outside its range.

        Args:
            cells: of later rows.
            codes: the same, as `encode` gives them.
        """
        if not self.categories:
            return self._outside(codes[np.isfinite(codes)])
        words = Counter(cells[row].strip() for row in np.flatnonzero(codes == 0))
        sentences = [self._unseen(word, count) for word, count in words.most_common(_MOST_NAMED)]
        if len(words) > _MOST_NAMED:
            sentences.append(f"Column {self.name}: {len(words) - _MOST_NAMED} more words were not seen in training.")
        return sentences

    def _unseen(self, word: str, count: int) -> str:
        folded = {known.casefold(): known for known in reversed(self.categories)}
        close = get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
        hint = f"the nearest known word is {folded[close[0]]!r}" if close else f"known words are {self._some_words}"
        reason = (
            "was not seen in training"
            if len(self.categories) < _MOST_CATEGORIES
            else f"is not among the {_MOST_CATEGORIES} most frequent words of training"
        )
        rows = "1 row" if count == 1 else f"{count} rows"
        return f"Column {self.name}: {word!r} ({rows}) {reason} and is read as an average word; {hint}."

    def _outside(self, numbers: np.ndarray) -> list[str]:
        """Beyond the range of training by more than its width; of positive numbers also below a tenth of the lowest."""
        if self.low is None or self.high is None or not len(numbers):
            return []
        width = self.high - self.low
        far = (numbers > self.high + width) | (numbers < self.low - width)
        far |= (self.low > 0) & (numbers < self.low / 10)
        if not far.any():
            return []
        seen = f"always {self.low:g}" if not width else f"between {self.low:g} and {self.high:g}"
        odd = numbers[far]
        rows = "1 row" if len(odd) == 1 else f"{len(odd)} rows"
        example = odd[np.abs(odd - self.mean).argmax()]
        return [f"Column {self.name}: {rows} far outside the range of training ({seen}), such as {example:g}."]

    @property
    def _some_words(self) -> str:
        more = ", …" if len(self.categories) > _MOST_NAMED else ""
        return ", ".join(map(repr, self.categories[:_MOST_NAMED])) + more

    def decode(self, code: float) -> Any:
        """The cell that a code stands for: a number, or a word; words that training has not seen have one code."""
        if not self.categories:
            return f"{code:g}"
        return repr(self.categories[int(code) - 1]) if code else "a word not seen in training"


def _is_number(cell: Any) -> bool:
    try:
        return _empty(cell) or math.isfinite(float(cell))
    except (TypeError, ValueError):
        return False


def _empty(cell: Any) -> bool:
    return (
        cell is None or (isinstance(cell, float) and math.isnan(cell)) or (isinstance(cell, str) and not cell.strip())
    )


@dataclass(frozen=True)
class Exogenous:
    """Encoded columns of the series of a panel, each from its first step on and as far as anything is known.

    Attributes:
        features: of the C columns.
        values: of all series one after the other, NaN where unknown: (T, C).
        offsets: where each series begins, and the end: n+1 numbers.
        calendar: what is known of every date.
    """

    features: list[Feature] = field(default_factory=list)
    values: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    offsets: np.ndarray = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    calendar: CalendarFeatures = field(default_factory=CalendarFeatures)

    @classmethod
    def of(cls, features: list[Feature], arrays: list[np.ndarray], calendar: CalendarFeatures) -> Self:
        """From one array (T, C) for each series."""
        offsets = np.concatenate([[0], np.cumsum([len(a) for a in arrays])]).astype(np.int64)
        return cls(features, np.concatenate(arrays), offsets, calendar)

    def __getitem__(self, i: int) -> np.ndarray:
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    @property
    def all_features(self) -> list[Feature]:
        """The features of columns, and those of the calendar."""
        return [*self.features, *(Feature(name, "future", flag=True) for name in self.calendar.names)]

    def refit_features(self, lengths: np.ndarray, ahead: int) -> Self:
        """The columns as they would have been learned from some steps of each series.

        Args:
            lengths: how many steps.
            ahead: how many more of those that are known in advance.
        """
        features, values = [], self.values.copy()
        for c, feature in enumerate(self.features):
            more = ahead if feature.role == "future" else 0
            seen = [self[i][: length + more, c] for i, length in enumerate(lengths)]
            learned, table = feature.again(np.concatenate(seen))
            features.append(learned)
            if len(table):
                known = np.isfinite(values[:, c])
                values[known, c] = table[values[known, c].astype(int)]
        return replace(self, features=features, values=values)

    def kept(self, series: list[int]) -> Self:
        """Those of some series alone."""
        if not self.features:
            return self
        return self.of(self.features, [self[i] for i in series], self.calendar)

    def covariates_at(self, i: int, stamps: np.ndarray) -> np.ndarray:
        """All features of series i at the stamps of its first steps, NaN where unknown: (len(stamps), C)."""
        found = np.full((len(stamps), len(self.features)), np.nan)
        if self.features:
            known = self[i][: len(stamps)]
            found[: len(known)] = known
            for c, feature in enumerate(self.features):
                if feature.role == "static" and len(known):
                    found[:, c] = known[0, c]
        return np.concatenate([found, self.calendar.covariates_at(stamps)], 1) if self.calendar else found
