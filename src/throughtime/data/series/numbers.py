"""Parse numbers written as text, and infer their format: the decimal mark and the thousands mark.

The marks of a column are inferred from all of its cells. The shape of a cell is evidence: a mark before other than
three digits is a decimal mark, a mark that occurs twice is a thousands mark, and two different marks determine both. A
single mark before exactly three digits, as in 1.087, fits both; without other evidence the column is ambiguous, and
nothing is assumed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import polars as pl

NA_VALUES = (
    "", "na", "n/a", "n.a.", "n.a", "nan", "null", "none", "nil", "-", "--", "---", "—", "?", ".", "..", "...", "…",
    "#n/a", "#na", "#n/a n/a", "#div/0!", "#value!", "#ref!", "#num!", "#name?", "#null!", "<na>", "k.a.", "k. a.",
    "n. a.", "n.d.", "s/o", "missing", "(blank)", "(null)", "[null]", "\\n", "nat", "-nan", "nd", "–", ":",
)  # fmt: skip
"""Texts of missing values, in lower case."""

_MARKS = (".", ",")
_INVISIBLE_PATTERN = r"[\u200b-\u200f\u202a-\u202e\u2060\ufeff]"
_MINUS_PATTERN = r"[−‐‑‒–﹣－]"
_CURRENCY_CODES = (
    "EUR|USD|GBP|CHF|JPY|CNY|RMB|SEK|NOK|DKK|ISK|PLN|CZK|HUF|RON|BGN|TRY|RUB|UAH|INR|KRW|BRL|MXN|ARS|CLP|COP|PEN|"
    "CAD|AUD|NZD|ZAR|SGD|HKD|TWD|THB|IDR|MYR|PHP|VND|ILS|AED|SAR|EGP|NGN|KES"
)
_CURRENCY_PATTERN = (
    rf"(?:{_CURRENCY_CODES}|(?:US|CA|C|AU|A|NZ|HK|S|R|MX)?\$|[€£¥₹₽₩₺₪₫฿₴₦₱]|kr\.?|zł|Kč|Ft|lei|Fr\.?|R\$|Rs\.?)"
)
_CELL_PATTERN = (
    rf"^(?<censored><?)\s*(?<sign>[-+]?)\s*(?<before>{_CURRENCY_PATTERN})?\s*(?<open>\(?)\s*(?<inner_sign>[-+]?)\s*"
    rf"(?<inside>{_CURRENCY_PATTERN})?\s*(?<body>(?:[\d.,' ]*\d[.,]?|[.,]\d+)(?:[eE][-+]?\d+)?)\s*(?<percent>%?)\s*"
    rf"(?<inner_after>{_CURRENCY_PATTERN})?\s*(?<close>\)?)\s*(?<after>{_CURRENCY_PATTERN})?\s*(?<last_sign>-?)$"
)
_EMPTY_MONEY_PATTERN = rf"^(?:{_CURRENCY_PATTERN}\s*-{{1,2}}|-{{1,2}}\s*{_CURRENCY_PATTERN})$"
_PLAIN_PATTERN = r"^[-+]?(?:\d[\d.,]*|[.,]\d+)$"


_ASCII = {
    **{chr(zero + digit): str(digit) for zero in (0x660, 0x6F0, 0x966, 0xFF10) for digit in range(10)},
    **dict(zip("．，－＋（）％￥٫٬٪", ".,-+()%¥.,%", strict=True)),
}
"""Digits and signs of Arabic, Persian, Devanagari and full-width text, and those of ASCII."""
_OTHER_DIGITS = r"[\u{660}-\u{669}\u{6f0}-\u{6f9}\u{966}-\u{96f}\u{ff10}-\u{ff19}￥]"


@dataclass(frozen=True)
class NumberFormat:
    """The format of the numbers of a column.

    Attributes:
        decimal: decimal mark, '.' or ','; '' if no cell has one.
        thousands: thousands mark, one of '.', ',', ' ' and "'"; '' if no cell has one.
        percent: whether cells end in a percent sign, which is dropped: 45% is 45.
        currency: sign or code of the currency; '' for none.
    """

    decimal: str = ""
    thousands: str = ""
    percent: bool = False
    currency: str = ""

    def __post_init__(self) -> None:
        valid = self.decimal in {"", *_MARKS} and self.thousands in {"", " ", "'", *_MARKS}
        if not valid or (self.decimal and self.decimal == self.thousands):
            raise ValueError(f"decimal mark {self.decimal!r} and thousands mark {self.thousands!r}")
        if not isinstance(self.percent, bool) or not isinstance(self.currency, str):
            raise TypeError(f"percent {self.percent!r} and currency {self.currency!r}")

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Build a format from its fields, the inverse of `to_json`.

        Raises:
            TypeError: if a field does not exist.
            ValueError: if a value is not allowed.
        """
        return cls(**fields)


class AmbiguousNumberError(ValueError):
    """A column whose cells fit two formats.

    Attributes:
        row: row of an ambiguous cell.
        mark: decimal mark in one format, and thousands mark in the other.
    """

    def __init__(self, row: int, mark: str) -> None:
        super().__init__(row, mark)
        self.row, self.mark = row, mark


class ContradictoryNumberError(ValueError):
    """Two cells of a column that no single format fits.

    Attributes:
        row: row of the first cell.
        other: row of the cell that contradicts it; None if the prior format does.
        reason: the contradiction, in words.
    """

    def __init__(self, row: int, other: int | None, reason: str) -> None:
        super().__init__(row, other, reason)
        self.row, self.other, self.reason = row, other, reason


@dataclass(frozen=True)
class NumberCells:
    """The cells of a column, split into their parts.

    Attributes:
        text: cells without surrounding spaces.
        bodies: digits and marks as written, null if a cell is empty or not a number.
        negative: whether the number has a minus sign or brackets.
        censored: whether the cell is an upper limit, written as <1.
        percent: whether the number has a percent sign.
        currency: sign or code of the currency, '' for none.
        missing: whether the cell is a missing value.
    """

    text: pl.Series
    bodies: pl.Series
    negative: pl.Series
    censored: pl.Series
    percent: pl.Series
    currency: pl.Series
    missing: pl.Series

    @classmethod
    def of(cls, cells: pl.Series) -> Self:
        """Split the cells of a text column."""
        frame = cells.rename("cell").to_frame()
        if cells.str.contains(_OTHER_DIGITS).any():
            frame = frame.with_columns(pl.col("cell").str.replace_many([*_ASCII], [*_ASCII.values()]))
        text = pl.col("cell").str.replace_all(_INVISIBLE_PATTERN, "").str.strip_chars()
        frame = frame.select(text=text).with_columns(
            missing=pl.col("text").is_null() | pl.col("text").str.to_lowercase().is_in(NA_VALUES),
            plain=pl.col("text").str.contains(_PLAIN_PATTERN),
        )
        has_sign = pl.col("text").str.starts_with("-") | pl.col("text").str.starts_with("+")
        body = pl.when(has_sign).then(pl.col("text").str.slice(1)).otherwise(pl.col("text"))
        frame = frame.select(
            "text",
            "missing",
            body=pl.when("plain").then(body),
            negative=pl.when("plain").then(pl.col("text").str.starts_with("-")).otherwise(False),  # noqa: FBT003
            censored=pl.lit(False),  # noqa: FBT003
            percent=pl.lit(False),  # noqa: FBT003
            currency=pl.lit(""),
        )
        decorated = frame["body"].is_null() & ~frame["missing"]
        if decorated.any():
            rows = decorated.arg_true()
            parts = _parse_decorated(frame["text"].gather(rows))
            frame = frame.with_columns(frame[name].scatter(rows, parts[name]) for name in parts.columns)
        names = ("text", "body", "negative", "censored", "percent", "currency", "missing")
        return cls(*(frame[name] for name in names))


def _parse_decorated(text: pl.Series) -> pl.DataFrame:
    """Split cells with signs of currencies, brackets, spaces and the like."""
    cleaning = (
        pl.col("text")
        .str.replace_all(_MINUS_PATTERN, "-")
        .str.replace_all(r"[％٪]", "%")
        .str.replace_all(r"[\s\u00a0\u2000-\u200a\u202f\u205f\u3000]", " ")
        .str.replace_all(r"[’‘´`ʼ′]", "'")
        .str.replace(r"(\d)[.,]-{1,2}(\s*\D{0,4})$", "$1$2")  # 5.- in Switzerland and 5,-- in Germany
    )
    clean_text = text.rename("text").to_frame().select(cleaning).to_series()
    frame = clean_text.str.extract_groups(_CELL_PATTERN).struct.unnest()
    groups = frame.with_columns(pl.all().fill_null(""))
    currencies = [groups[name] for name in ("before", "inside", "inner_after", "after")]
    signs = groups["sign"] + groups["inner_sign"] + groups["last_sign"]
    brackets = groups["open"] + groups["close"]
    currency = (currencies[0] + currencies[1] + currencies[2] + currencies[3]).str.strip_chars_end(".")
    count = sum((column != "").cast(pl.Int8) for column in currencies)
    valid = (
        (signs.str.len_chars() + (brackets == "()").cast(pl.UInt32) <= 1) & brackets.is_in(["", "()"]) & (count <= 1)
    )
    valid &= frame["body"].is_not_null()
    return pl.DataFrame(
        {
            "body": pl.select(pl.when(valid).then(frame["body"])).to_series(),
            "negative": (signs == "-") | (brackets == "()"),
            "censored": groups["censored"] == "<",
            "percent": groups["percent"] == "%",
            "currency": currency,
            "missing": clean_text.str.contains(_EMPTY_MONEY_PATTERN),
        }
    )


def _patterns(mark: str) -> tuple[str, str, str]:
    """Return regular expressions of bodies in which a mark is decimal, separates thousands, or may do either."""
    mark_pattern, other_pattern = (re_mark for re_mark in (rf"\{mark}", rf"\{_MARKS[1 - _MARKS.index(mark)]}"))
    groups = rf"[1-9]\d{{0,2}}(?:{other_pattern}\d{{3}})+"
    indian = r"[1-9]\d?(?:,\d\d)+,\d{3}"
    spaced = r"\d{1,3}(?:[ ']\d{3})+"
    decimal = (
        rf"^(?:\d*{mark_pattern}(?:\d{{0,2}}|\d{{4,}})|(?:0\d*|\d{{4,}}|){mark_pattern}\d{{3}}|{spaced}{mark_pattern}\d*|{groups}{mark_pattern}\d*"
        rf"|\d*{mark_pattern}?\d+[eE][-+]?\d+|\d+{mark_pattern}[eE][-+]?\d+)$"
    )
    thousands = rf"^[1-9]\d{{0,2}}(?:(?:{mark_pattern}\d{{3}}){{2,}}|(?:{mark_pattern}\d{{3}})+{other_pattern}\d*)$"
    if mark == ",":
        thousands = rf"{thousands}|^{indian}(?:\.\d*)?$"
    else:
        decimal = rf"{decimal}|^{indian}\.\d*$"
    return decimal, thousands, rf"^[1-9]\d{{0,2}}{mark_pattern}\d{{3}}$"


_PATTERNS = {mark: _patterns(mark) for mark in _MARKS}
_WHOLE_PATTERN = r"^\d+$|^\d{1,3}(?:[ ']\d{3})+$|^\d+[eE][-+]?\d+$"
_NUMBER_PATTERN = "|".join([_WHOLE_PATTERN, *(pattern for patterns in _PATTERNS.values() for pattern in patterns)])


def numeric_fraction(cells: pl.Series) -> float:
    """Return the fraction of cells with a value that are numbers in some format."""
    parts = NumberCells.of(cells)
    filled = len(cells) - int(parts.missing.sum())
    return int(parts.bodies.str.contains(_NUMBER_PATTERN).sum()) / filled if filled else 0.0


def infer_number_format(cells: NumberCells, prior: NumberFormat | None = None) -> NumberFormat:
    """Infer the number format of a column from all of its cells.

    Args:
        cells: cells of the column.
        prior: format of earlier cells, or marks named by the user, which also apply to these cells.

    Raises:
        AmbiguousNumberError: if all cells fit two formats.
        ContradictoryNumberError: if two cells, or a cell and the prior format, contradict each other.
    """
    prior = prior or NumberFormat()
    marks = _infer_marks(cells, prior)
    percent = _infer_percent(cells, prior)
    return replace(marks, percent=percent, currency=_infer_currency(cells, prior))


def _infer_marks(cells: NumberCells, prior: NumberFormat) -> NumberFormat:
    bodies = cells.bodies
    decimal: dict[str, int | None] = {prior.decimal: None} if prior.decimal else {}
    thousands: dict[str, int | None] = {prior.thousands: None} if prior.thousands else {}
    ambiguous: dict[str, int] = {}
    for mark in _MARKS:
        rows = bodies.str.contains(mark, literal=True).arg_true()
        if not len(rows):
            continue
        marked = bodies.gather(rows)
        for evidence, pattern in zip((decimal, thousands, ambiguous), _PATTERNS[mark], strict=True):
            first = marked.str.contains(pattern).arg_max()
            if first is not None and marked[[first]].str.contains(pattern)[0]:
                evidence.setdefault(mark, int(rows[first]))
    for mark in (" ", "'"):
        first = bodies.str.contains(rf"\d{mark}\d").fill_null(value=False).arg_true().head(1)
        for row in first:
            thousands.setdefault(mark, row)
    _check_contradictions(decimal, thousands)
    is_open = not decimal and not ({*thousands} & {*_MARKS})
    if ambiguous and is_open and (len(ambiguous) > 1 or not thousands):
        _resolve_ambiguous(cells, ambiguous, thousands)
    return _combine_marks(decimal, thousands, ambiguous)


def _check_contradictions(decimal: dict[str, int | None], thousands: dict[str, int | None]) -> None:
    """Raise if two cells use a mark differently, or use different marks for the same purpose."""
    for evidence, role in ((decimal, "begins decimals"), (thousands, "separates thousands")):
        if len(evidence) > 1:
            (first, row), (second, other) = sorted(evidence.items(), key=lambda item: (item[1] is None, item[1] or 0))[
                :2
            ]
            assert row is not None
            raise ContradictoryNumberError(
                row, other, f"{_name_mark(first)} {role} in one and {_name_mark(second)} in the other"
            )
    for mark in decimal.keys() & thousands.keys():
        row, other = decimal[mark], thousands[mark]
        row, other = (other, row) if row is None else (row, other)
        assert row is not None
        reason = f"{_name_mark(mark)} begins decimals in one and separates thousands in the other"
        raise ContradictoryNumberError(row, other, reason)


def _resolve_ambiguous(cells: NumberCells, ambiguous: dict[str, int], thousands: dict[str, int | None]) -> None:
    """Resolve a single mark before three digits by the whole numbers of the column, or raise.

    Next to 913, cells such as 1.087 are thousands: as decimals, 913 would be written with three decimals too, or some
    cell would have fewer. Whole numbers of four digits without a mark contradict that, so that both remain possible.
    """
    (mark, row), *others = ambiguous.items()
    lengths = cells.bodies.filter(cells.bodies.str.contains(r"^[1-9]\d*$")).str.len_bytes()
    if others or not len(lengths) or (lengths > 3).any():
        raise AmbiguousNumberError(row, mark)
    thousands[mark] = row


def _combine_marks(
    decimal: dict[str, int | None], thousands: dict[str, int | None], ambiguous: dict[str, int]
) -> NumberFormat:
    """Return the format that fits the evidence; one mark cannot have both purposes."""
    decimal_mark, thousands_mark = next(iter(decimal), ""), next(iter(thousands), "")
    for mark in ambiguous:
        other = _MARKS[1 - _MARKS.index(mark)]
        if not thousands_mark and decimal_mark == other:
            thousands_mark = mark
        elif not decimal_mark and thousands_mark not in {"", mark}:
            decimal_mark = mark
    return NumberFormat(decimal_mark, thousands_mark)


def _infer_percent(cells: NumberCells, prior: NumberFormat) -> bool:
    numbers = cells.bodies.is_not_null()
    with_sign, without_sign = (numbers & cells.percent).arg_true(), (numbers & ~cells.percent).arg_true()
    if prior.percent and len(without_sign):
        raise ContradictoryNumberError(int(without_sign[0]), None, "it has no percent sign and earlier cells have one")
    if len(with_sign) and len(without_sign):
        raise ContradictoryNumberError(
            int(with_sign[0]), int(without_sign[0]), "one has a percent sign and the other has none"
        )
    return bool(len(with_sign)) or prior.percent


def _infer_currency(cells: NumberCells, prior: NumberFormat) -> str:
    rows = (cells.bodies.is_not_null() & (cells.currency != "")).arg_true()
    if not len(rows):
        return prior.currency
    names = cells.currency.gather(rows)
    first = prior.currency or str(names[0])
    for row in (names != first).arg_true().head(1):
        other = None if prior.currency else int(rows[0])
        raise ContradictoryNumberError(int(rows[row]), other, f"the currencies {names[row]} and {first} differ")
    return first


def parse_numbers(cells: NumberCells, form: NumberFormat) -> pl.Series:
    """Parse cells in a format; null if a cell is missing or not a number in that format."""
    decimal_mark = rf"\{form.decimal or '.'}"
    bodies = cells.bodies
    body = pl.col("body")
    if form.thousands:
        thousands_mark = rf"\{form.thousands}" if form.thousands in _MARKS else form.thousands
        leading = r"[1-9]\d{0,2}" if form.thousands in _MARKS else r"\d{1,3}"
        grouped = rf"^{leading}(?:{thousands_mark}\d{{3}})+(?:{decimal_mark}\d*)?$"
        if form.thousands == ",":
            grouped = rf"{grouped}|^[1-9]\d?(?:,\d\d)+,\d{{3}}(?:\.\d*)?$"
        body = (
            pl.when(body.str.contains(grouped))
            .then(body.str.replace_all(form.thousands, "", literal=True))
            .otherwise(body)
        )
    ungrouped = rf"^(?:\d+(?:{decimal_mark}\d*)?|{decimal_mark}\d+)(?:[eE][-+]?\d+)?$"
    decimal = body.str.replace(",", ".", literal=True) if form.decimal == "," else body
    value = pl.when(body.str.contains(ungrouped)).then(decimal).cast(pl.Float64, strict=False)
    frame = pl.DataFrame({"body": bodies, "negative": cells.negative, "censored": cells.censored})
    value = pl.when("censored").then(value / 2).otherwise(value)
    return frame.select(pl.when("negative").then(-value).otherwise(value)).to_series()


def _name_mark(mark: str) -> str:
    return {".": "a point", ",": "a comma", " ": "a space", "'": "an apostrophe"}[mark]
