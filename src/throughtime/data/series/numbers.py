"""Numbers that were written as text: which mark begins the decimals and which separates thousands.

The marks of a column are decided from all of its cells. Each cell has a shape, and shapes are evidence: a mark before
other than three digits begins decimals, a mark that comes twice separates thousands, two different marks settle both.
A single mark before exactly three digits, as in 1.087, fits both readings; where nothing else settles it, the column is
ambiguous and nothing is assumed.
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
"""Cells that hold no value, in lower case."""

_MARKS = (".", ",")
_INVISIBLE = r"[\u200b-\u200f\u202a-\u202e\u2060\ufeff]"
_MINUS = r"[−‐‑‒–﹣－]"
_CODES = (
    "EUR|USD|GBP|CHF|JPY|CNY|RMB|SEK|NOK|DKK|ISK|PLN|CZK|HUF|RON|BGN|TRY|RUB|UAH|INR|KRW|BRL|MXN|ARS|CLP|COP|PEN|"
    "CAD|AUD|NZD|ZAR|SGD|HKD|TWD|THB|IDR|MYR|PHP|VND|ILS|AED|SAR|EGP|NGN|KES"
)
_CURRENCY = rf"(?:{_CODES}|(?:US|CA|C|AU|A|NZ|HK|S|R|MX)?\$|[€£¥₹₽₩₺₪₫฿₴₦₱]|kr\.?|zł|Kč|Ft|lei|Fr\.?|R\$|Rs\.?)"
_CELL = (
    rf"^(?<censored><?)\s*(?<sign>[-+]?)\s*(?<before>{_CURRENCY})?\s*(?<open>\(?)\s*(?<inner_sign>[-+]?)\s*"
    rf"(?<inside>{_CURRENCY})?\s*(?<body>(?:[\d.,' ]*\d[.,]?|[.,]\d+)(?:[eE][-+]?\d+)?)\s*(?<percent>%?)\s*"
    rf"(?<behind>{_CURRENCY})?\s*(?<close>\)?)\s*(?<after>{_CURRENCY})?\s*(?<last_sign>-?)$"
)
_NO_MONEY = rf"^(?:{_CURRENCY}\s*-{{1,2}}|-{{1,2}}\s*{_CURRENCY})$"
_PLAIN = r"^[-+]?(?:\d[\d.,]*|[.,]\d+)$"


@dataclass(frozen=True)
class NumberFormat:
    """How the numbers of a column are written.

    Attributes:
        decimal: mark before decimals, '.' or ','; '' where no cell has one.
        thousands: mark between thousands, one of '.', ',', ' ' and "'"; '' where no cell has one.
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
        """Return the fields as JSON can hold them."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Undo `to_json`.

        Raises:
            TypeError: for fields that do not exist.
            ValueError: for values that do not fit.
        """
        return cls(**fields)


class AmbiguousNumberError(ValueError):
    """A column whose cells fit two readings.

    Attributes:
        row: of a cell that does.
        mark: the mark that begins decimals in one reading and separates thousands in the other.
    """

    def __init__(self, row: int, mark: str) -> None:
        super().__init__(row, mark)
        self.row, self.mark = row, mark


class ContradictoryNumberError(ValueError):
    """Two cells of a column that no single format reads.

    Attributes:
        row: of a cell.
        other: row of the cell that contradicts it; None where it is the format known before.
        reason: what contradicts, in words.
    """

    def __init__(self, row: int, other: int | None, reason: str) -> None:
        super().__init__(row, other, reason)
        self.row, self.other, self.reason = row, other, reason


@dataclass(frozen=True)
class NumberCells:
    """Cells of a column, taken apart.

    Attributes:
        text: the cells, without spaces around them.
        bodies: digits and marks, null where a cell is empty or not a number; spaces and apostrophes are as written.
        negative: whether a minus or brackets stand at a number.
        censored: whether a cell is written as <1.
        percent: whether a percent sign follows.
        currency: sign of the currency, '' for none.
        missing: whether a cell holds no value.
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
        """Take text cells apart."""
        frame = cells.rename("cell").to_frame()
        text = pl.col("cell").str.replace_all(_INVISIBLE, "").str.strip_chars()
        frame = frame.select(text=text).with_columns(
            missing=pl.col("text").is_null() | pl.col("text").str.to_lowercase().is_in(NA_VALUES),
            plain=pl.col("text").str.contains(_PLAIN),
        )
        signed = pl.col("text").str.starts_with("-") | pl.col("text").str.starts_with("+")
        body = pl.when(signed).then(pl.col("text").str.slice(1)).otherwise(pl.col("text"))
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
            parts = _parts(frame["text"].gather(rows))
            frame = frame.with_columns(frame[name].scatter(rows, parts[name]) for name in parts.columns)
        names = ("text", "body", "negative", "censored", "percent", "currency", "missing")
        return cls(*(frame[name] for name in names))


def _parts(text: pl.Series) -> pl.DataFrame:
    """Numbers with signs of money, brackets, spaces and the like, taken apart."""
    clean = (
        pl.col("text")
        .str.replace_all(_MINUS, "-")
        .str.replace_all(r"[％٪]", "%")
        .str.replace_all(r"[\s\u00a0\u2000-\u200a\u202f\u205f\u3000]", " ")
        .str.replace_all(r"[’‘´`ʼ′]", "'")
        .str.replace(r"(\d)[.,]-{1,2}(\s*\D{0,4})$", "$1$2")  # 5.- of Switzerland and 5,-- of Germany
    )
    clean_text = text.rename("text").to_frame().select(clean).to_series()
    frame = clean_text.str.extract_groups(_CELL).struct.unnest()
    filled = frame.with_columns(pl.all().fill_null(""))
    money = [filled[name] for name in ("before", "inside", "behind", "after")]
    signs = filled["sign"] + filled["inner_sign"] + filled["last_sign"]
    brackets = filled["open"] + filled["close"]
    currency = (money[0] + money[1] + money[2] + money[3]).str.strip_chars_end(".")
    count = sum((each != "").cast(pl.Int8) for each in money)
    valid = (
        (signs.str.len_chars() + (brackets == "()").cast(pl.UInt32) <= 1) & brackets.is_in(["", "()"]) & (count <= 1)
    )
    valid &= frame["body"].is_not_null()
    return pl.DataFrame(
        {
            "body": pl.select(pl.when(valid).then(frame["body"])).to_series(),
            "negative": (signs == "-") | (brackets == "()"),
            "censored": filled["censored"] == "<",
            "percent": filled["percent"] == "%",
            "currency": currency,
            "missing": clean_text.str.contains(_NO_MONEY),
        }
    )


def _patterns(mark: str) -> tuple[str, str, str]:
    """Regular expressions of bodies in which a mark begins decimals, separates thousands, or may do either."""
    m, o = (re_mark for re_mark in (rf"\{mark}", rf"\{_MARKS[1 - _MARKS.index(mark)]}"))
    groups = rf"[1-9]\d{{0,2}}(?:{o}\d{{3}})+"
    indian = r"[1-9]\d?(?:,\d\d)+,\d{3}"
    spaced = r"\d{1,3}(?:[ ']\d{3})+"
    decimal = (
        rf"^(?:\d*{m}(?:\d{{0,2}}|\d{{4,}})|(?:0\d*|\d{{4,}}|){m}\d{{3}}|{spaced}{m}\d*|{groups}{m}\d*"
        rf"|\d*{m}?\d+[eE][-+]?\d+|\d+{m}[eE][-+]?\d+)$"
    )
    thousands = rf"^[1-9]\d{{0,2}}(?:(?:{m}\d{{3}}){{2,}}|(?:{m}\d{{3}})+{o}\d*)$"
    if mark == ",":
        thousands = rf"{thousands}|^{indian}(?:\.\d*)?$"
    else:
        decimal = rf"{decimal}|^{indian}\.\d*$"
    return decimal, thousands, rf"^[1-9]\d{{0,2}}{m}\d{{3}}$"


_PATTERNS = {mark: _patterns(mark) for mark in _MARKS}
_WHOLE = r"^\d+$|^\d{1,3}(?:[ ']\d{3})+$|^\d+[eE][-+]?\d+$"
_NUMBER = "|".join([_WHOLE, *(pattern for patterns in _PATTERNS.values() for pattern in patterns)])


def numeric_fraction(cells: pl.Series) -> float:
    """Return which share of the text cells that hold anything are numbers in some format."""
    parts = NumberCells.of(cells)
    filled = len(cells) - int(parts.missing.sum())
    return int(parts.bodies.str.contains(_NUMBER).sum()) / filled if filled else 0.0


def infer_number_format(cells: NumberCells, known: NumberFormat | None = None) -> NumberFormat:
    """Decide how the numbers of a column are written, from all of its cells.

    Args:
        cells: of the column.
        known: the format of earlier cells, or marks that a user named; it holds for these cells too.

    Raises:
        AmbiguousNumberError: where all cells fit two readings.
        ContradictoryNumberError: where two cells, or a cell and `known`, do not fit together.
    """
    known = known or NumberFormat()
    marks = _infer_marks(cells, known)
    percent = _infer_percent(cells, known)
    return replace(marks, percent=percent, currency=_infer_currency(cells, known))


def _infer_marks(cells: NumberCells, known: NumberFormat) -> NumberFormat:
    bodies = cells.bodies
    decimal: dict[str, int | None] = {known.decimal: None} if known.decimal else {}
    thousands: dict[str, int | None] = {known.thousands: None} if known.thousands else {}
    ambiguous: dict[str, int] = {}
    for mark in _MARKS:
        holding = bodies.str.contains(mark, literal=True).arg_true()
        if not len(holding):
            continue
        marked = bodies.gather(holding)
        for evidence, pattern in zip((decimal, thousands, ambiguous), _PATTERNS[mark], strict=True):
            first = marked.str.contains(pattern).arg_max()
            if first is not None and marked[[first]].str.contains(pattern)[0]:
                evidence.setdefault(mark, int(holding[first]))
    for group in (" ", "'"):
        first = bodies.str.contains(rf"\d{group}\d").fill_null(value=False).arg_true().head(1)
        for row in first:
            thousands.setdefault(group, row)
    _refuse_contradictions(decimal, thousands)
    unsettled = not decimal and not ({*thousands} & {*_MARKS})
    if ambiguous and unsettled and (len(ambiguous) > 1 or not thousands):
        _resolve(cells, ambiguous, thousands)
    return _settled(decimal, thousands, ambiguous)


def _refuse_contradictions(decimal: dict[str, int | None], thousands: dict[str, int | None]) -> None:
    """Refuse cells of which one reads a mark otherwise than another one."""
    for evidence, role in ((decimal, "begins decimals"), (thousands, "separates thousands")):
        if len(evidence) > 1:
            (first, one), (second, other) = sorted(evidence.items(), key=lambda item: (item[1] is None, item[1] or 0))[
                :2
            ]
            assert one is not None
            raise ContradictoryNumberError(one, other, f"{_name(first)} {role} in one and {_name(second)} in the other")
    for mark in decimal.keys() & thousands.keys():
        one, other = decimal[mark], thousands[mark]
        one, other = (other, one) if one is None else (one, other)
        assert one is not None
        reason = f"{_name(mark)} begins decimals in one and separates thousands in the other"
        raise ContradictoryNumberError(one, other, reason)


def _resolve(cells: NumberCells, ambiguous: dict[str, int], thousands: dict[str, int | None]) -> None:
    """Settle a single mark before three digits by the whole numbers of the column, or refuse it.

    Next to 913, cells such as 1.087 are thousands: with decimals, 913 would have three as well, or some cell fewer than
    three. Whole numbers of four digits without a mark contradict that, and leave both readings open.
    """
    (mark, row), *others = ambiguous.items()
    lengths = cells.bodies.filter(cells.bodies.str.contains(r"^[1-9]\d*$")).str.len_bytes()
    if others or not len(lengths) or (lengths > 3).any():
        raise AmbiguousNumberError(row, mark)
    thousands[mark] = row


def _settled(
    decimal: dict[str, int | None], thousands: dict[str, int | None], ambiguous: dict[str, int]
) -> NumberFormat:
    """The format of evidence without contradictions: what one mark is, the other one is not."""
    begins, separates = next(iter(decimal), ""), next(iter(thousands), "")
    for mark in ambiguous:
        other = _MARKS[1 - _MARKS.index(mark)]
        if not separates and begins == other:
            separates = mark
        elif not begins and separates not in {"", mark}:
            begins = mark
    return NumberFormat(begins, separates)


def _infer_percent(cells: NumberCells, known: NumberFormat) -> bool:
    numbers = cells.bodies.is_not_null()
    signed, plain = (numbers & cells.percent).arg_true(), (numbers & ~cells.percent).arg_true()
    if known.percent and len(plain):
        raise ContradictoryNumberError(int(plain[0]), None, "it has no percent sign and earlier cells have one")
    if len(signed) and len(plain):
        raise ContradictoryNumberError(int(signed[0]), int(plain[0]), "one has a percent sign and the other has none")
    return bool(len(signed)) or known.percent


def _infer_currency(cells: NumberCells, known: NumberFormat) -> str:
    rows = (cells.bodies.is_not_null() & (cells.currency != "")).arg_true()
    if not len(rows):
        return known.currency
    names = cells.currency.gather(rows)
    first = known.currency or str(names[0])
    for place in (names != first).arg_true().head(1):
        other = None if known.currency else int(rows[0])
        raise ContradictoryNumberError(int(rows[place]), other, f"the currencies {names[place]} and {first} differ")
    return first


def parse_numbers(cells: NumberCells, form: NumberFormat) -> pl.Series:
    """Return the numbers of cells in a format, null where a cell is missing or not a number in that format."""
    m = rf"\{form.decimal or '.'}"
    bodies = cells.bodies
    body = pl.col("body")
    if form.thousands:
        g = rf"\{form.thousands}" if form.thousands in _MARKS else form.thousands
        first = r"[1-9]\d{0,2}" if form.thousands in _MARKS else r"\d{1,3}"
        grouped = rf"^{first}(?:{g}\d{{3}})+(?:{m}\d*)?$"
        if form.thousands == ",":
            grouped = rf"{grouped}|^[1-9]\d?(?:,\d\d)+,\d{{3}}(?:\.\d*)?$"
        body = (
            pl.when(body.str.contains(grouped))
            .then(body.str.replace_all(form.thousands, "", literal=True))
            .otherwise(body)
        )
    bare = rf"^(?:\d+(?:{m}\d*)?|{m}\d+)(?:[eE][-+]?\d+)?$"
    decimal = body.str.replace(",", ".", literal=True) if form.decimal == "," else body
    value = pl.when(body.str.contains(bare)).then(decimal).cast(pl.Float64, strict=False)
    frame = pl.DataFrame({"body": bodies, "negative": cells.negative, "censored": cells.censored})
    value = pl.when("censored").then(value / 2).otherwise(value)
    return frame.select(pl.when("negative").then(-value).otherwise(value)).to_series()


def _name(mark: str) -> str:
    return {".": "a point", ",": "a comma", " ": "a space", "'": "an apostrophe"}[mark]
