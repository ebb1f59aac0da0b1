"""The marks of numbers are decided from all cells of a column, and a column that leaves them open is ambiguous."""

from __future__ import annotations

import polars as pl
import pytest

from throughtime.data.series.numbers import (
    AmbiguousNumberError,
    ContradictoryNumberError,
    NumberCells,
    NumberFormat,
    infer_number_format,
    numeric_fraction,
    parse_numbers,
)


def values(*cells: str, prior: NumberFormat | None = None) -> list[float | None]:
    parts = NumberCells.of(pl.Series(cells, dtype=pl.String))
    return parse_numbers(parts, infer_number_format(parts, prior)).to_list()


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("1.087", "913"), [1087, 913]),
        (("1,087", "913"), [1087, 913]),
        (("0,913", "1,087"), [0.913, 1.087]),
        (("0.913", "1.087"), [0.913, 1.087]),
        (("1.087", "1.09"), [1.087, 1.09]),
        (("1.087", ".5"), [1.087, 0.5]),
        (("1,087", "1234,567"), [1.087, 1234.567]),
        (("1,087.00", "1,087"), [1087, 1087]),
        (("1.087,00", "1.087"), [1087, 1087]),
        (("1,087", "2.5"), [1087, 2.5]),
        (("1.234.567", "1.087"), [1234567, 1087]),
        (("1.234.567", "1,087"), [1234567, 1.087]),
        (("12,34,567", "1,000"), [1234567, 1000]),
        (("12,34,567.5",), [1234567.5]),
        (("1 087,5", "1\u00a0087", "1\u202f087", "1\u2009087"), [1087.5, 1087, 1087, 1087]),
        (("1 087", "1.087"), [1087, 1.087]),
        (("1'087.50", "1’087"), [1087.5, 1087]),
        (("(1,234)", "12"), [-1234, 12]),
        (("($5.25)", "$5", "-$5", "$-5", "$(5)"), [-5.25, 5, -5, -5, -5]),
        (("1234-", "\u22125", "+7", "- 3"), [-1234, -5, 7, -3]),
        (("5,50 €", "€ 1.234,00", "7"), [5.5, 1234, 7]),
        (("12,5 kr", "1 200 kr"), [12.5, 1200]),
        (("CHF 1’000.-", "CHF 5.50"), [1000, 5.5]),
        (("$ -", "$5.00", "- €"), [None, 5, None]),
        (("Rs. 1,23,456.50", "Rs 5.00"), [123456.5, 5]),
        (("45%", "3,5 %"), [45, 3.5]),
        (("1e5", "2.5E-3", "-1E+2"), [100000, 0.0025, -100]),
        (("<1", "5"), [0.5, 5]),
        (("\ufeff7", " 8\t", "\u200e9"), [7, 8, 9]),
        (("", "n.a.", "#N/A", "#DIV/0!", "—", "…", "NaN", "5"), [None] * 7 + [5]),
        ((":", "–", "ND", "5"), [None] * 3 + [5]),
        (("１２", "－３．５", "￥７"), [12, -3.5, 7]),
        (("١٢٫٥", "٣٤", "۵"), [12.5, 34, 5]),
        (("१२,३४,५६७", "५"), [1234567, 5]),
    ],
)
def test_cells_are_read_as_they_were_meant(cells: tuple[str, ...], expected: list[float | None]) -> None:
    assert values(*cells) == expected


@pytest.mark.parametrize(
    "cells", [("1.087",), ("1,087", "2,500"), ("1.087", "0"), ("1.087", "1500"), ("1.087", "913", "1500")]
)
def test_cells_of_two_readings_are_ambiguous(cells: tuple[str, ...]) -> None:
    with pytest.raises(AmbiguousNumberError) as caught:
        values(*cells)
    assert caught.value.row == 0


@pytest.mark.parametrize(
    ("cells", "rows"),
    [
        (("7", "1,5", "1.5"), (1, 2)),
        (("1.234.567", "7", "1.5"), (2, 0)),
        (("1.234.567", "1,234,567"), (0, 1)),
        (("1 000,5", "1.5"), (0, 1)),
        (("45%", "4"), (0, 1)),
        (("€5", "$5"), (1, 0)),
        (("5,50 €", "€ 1.234,00", "EUR 3"), (0, 2)),
        (("1 000", "1'000"), (0, 1)),
    ],
)
def test_cells_that_contradict_each_other_are_named(cells: tuple[str, ...], rows: tuple[int, int]) -> None:
    with pytest.raises(ContradictoryNumberError) as caught:
        values(*cells)
    assert {caught.value.row, caught.value.other} == {*rows}


@pytest.mark.parametrize(
    "cell",
    ["1O1", "1.2.3", "31.01.2024", "12-15", "1.5,000", "-5-", "(-5)", "1 23", "5 €€", "5e", "ABC 5", "TRUE", "5 6"],
)
def test_text_is_not_a_number(cell: str) -> None:
    assert values(cell, "1.5") == [None, 1.5]
    assert numeric_fraction(pl.Series([cell])) == 0


def test_what_is_known_of_earlier_cells_decides_later_ones() -> None:
    assert values("1.087", prior=NumberFormat(",", ".")) == [1087]
    assert values("1.087", prior=NumberFormat(",")) == [1087]
    assert values("1.087", prior=NumberFormat(".")) == [1.087]
    assert values("1,087", prior=NumberFormat(".")) == [1087]
    with pytest.raises(ContradictoryNumberError) as caught:
        values("7", "1.5", prior=NumberFormat(",", "."))
    assert (caught.value.row, caught.value.other) == (1, None)


def test_a_format_survives_json_and_impossible_ones_are_refused() -> None:
    form = NumberFormat(",", ".", percent=True, currency="€")
    assert NumberFormat.from_json(form.to_json()) == form
    for fields in ({"decimal": "x"}, {"decimal": ",", "thousands": ","}, {"thousands": 3}):
        with pytest.raises(ValueError, match="decimal mark"):
            NumberFormat.from_json(fields)
    with pytest.raises(TypeError):
        NumberFormat.from_json({"percent": "yes"})
