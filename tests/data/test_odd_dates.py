"""Columns of dates as the world writes them: what is read is what was meant, or the column is refused."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime import InputError
from throughtime.data.series.dates import read_dates

FREQUENCIES = ["D", "B", "W-MON", "W-SUN", "MS", "ME", "QS", "QE", "YS", "h", "15min", "6h", "BME", "SMS"]
DAYS = [
    "%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y",
    "%y/%m/%d", "%Y/%m/%d", "%d %b %Y", "%b %d, %Y", "%d-%b-%y", "%B %d, %Y", "%a %d/%m/%Y", "%A, %d %B %Y",
]  # fmt: skip
CODES = ["%Y%m%d", "%d%m%Y", "%y%m%d", "%d%m%y", "%m%d%y", "%Y%j"]
MONTHS = ["%b-%y", "%b %Y", "%Y-%m", "%m/%Y", "%m.%Y", "%Y%m", "%m%Y", "%YM%m", "%B %Y", "%Y.%m"]
CLOCKS = [" %H:%M", " %H:%M:%S", "T%H:%M", " %I:%M %p"]
LATEST = pd.Timestamp("2027-01-01")


@st.composite
def columns(draw: st.DrawFn) -> tuple[list[str], pd.DatetimeIndex]:
    """Texts, and the dates that they mean."""
    freq = draw(st.sampled_from(FREQUENCIES))
    start = draw(st.datetimes(pd.Timestamp("1930-01-01"), pd.Timestamp("2023-12-31"))).date()
    count = draw(st.sampled_from([1, 2, 5, 8, 12, 13, 20, 30, 60, 120]))
    dates = pd.date_range(start, periods=count, freq=freq)
    dates = dates[dates < LATEST]
    if draw(st.booleans()):
        random = np.random.default_rng(draw(st.integers(0, 99)))
        dates = dates[random.permutation(len(dates))[: max(1, round(0.9 * len(dates)))]]
    if freq in ("h", "15min", "6h"):
        form = draw(st.sampled_from(DAYS)) + draw(st.sampled_from(CLOCKS))
    else:
        form = draw(st.sampled_from([*DAYS, *CODES, *(MONTHS if freq in ("MS", "QS") else [])]))
    texts = dates.strftime(form).tolist()
    if form in DAYS and draw(st.booleans()):
        texts = [re.sub(r"\b0(\d)(?=[-/ ,.]|$)(?!$)", r"\1", text) for text in texts]
    return texts, dates


@settings(max_examples=300, deadline=None, derandomize=True)
@given(columns())
def test_no_column_of_dates_is_read_as_others_without_a_word(column: tuple[list[str], pd.DatetimeIndex]) -> None:
    texts, dates = column
    try:
        stamps, _ = read_dates(texts)
    except InputError:
        return
    np.testing.assert_array_equal(stamps, dates.to_numpy().astype("M8[us]"))
