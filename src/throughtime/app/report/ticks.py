"""The ticks of an axis and their labels: numbers, powers of ten, notes, dates."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_STEPS = (
    ("m", 1), ("m", 5), ("m", 15), ("m", 30), ("h", 1), ("h", 3), ("h", 6), ("h", 12), ("D", 1), ("D", 2), ("D", 7),
    ("D", 14), ("M", 1), ("M", 3), ("M", 6), ("Y", 1), ("Y", 2), ("Y", 5), ("Y", 10), ("Y", 20), ("Y", 50), ("Y", 100),
    ("Y", 500),
)  # fmt: skip
_SECONDS = {"m": 60, "h": 3600, "D": 86_400, "M": 2_629_746, "Y": 31_556_952}


class Tick(NamedTuple):
    """A value on an axis, and its label."""

    value: float
    label: str


def number_ticks(low: float, high: float, count: int = 5) -> list[Tick]:
    """Return about `count` round numbers from low to high."""
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * nice for nice in (1, 2, 2.5, 5, 10) if power * nice >= rough * 0.75)
    first = math.ceil(low / step - 1e-9)
    values = [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]
    return [Tick(value, format_number(value, step).replace("-", "−")) for value in values]


def integer_ticks(low: float, high: float, count: int = 5) -> list[Tick]:
    """Return about `count` round whole numbers, without separators: years, epochs, steps."""
    return [Tick(t.value, f"{t.value:.0f}") for t in number_ticks(low, high, count) if t.value == round(t.value)]


def log_ticks(low: float, high: float) -> list[Tick]:
    """Return powers of ten, and 2 and 5 times those if there are few: as logarithms, labelled as shares."""
    exponents = range(math.floor(math.log10(high) + 1e-9), math.floor(math.log10(low)) - 1, -1)
    stride = max(1, -(-len(exponents) // 5))
    digits = (1, 2, 5) if len(exponents) < 3 else (1,)
    values = [digit * 10.0**exponent for exponent in exponents[::stride] for digit in digits]
    return [Tick(math.log10(v), f"{100 * v:g} %") for v in values if low * 0.999 <= v <= high * 1.001]


def octave_ticks(low: float, high: float) -> list[Tick]:
    """Return each C between two MIDI notes."""
    return [Tick(12.0 * n, f"C{n - 1}") for n in range(math.ceil(low / 12), math.floor(high / 12) + 1)]


def date_ticks(low: float, high: float, count: int = 6) -> list[Tick]:
    """Return at most about `count` round dates; the axis counts microseconds since 1970."""
    span = (high - low) / 1e6
    unit, step = next((u, s) for u, s in _STEPS if _SECONDS[u] * s * count >= span or (u, s) == _STEPS[-1])
    start, stop = (np.datetime64(round(v), "us").astype(f"datetime64[{unit}]").astype(int) for v in (low, high))
    zero = {"Y": 1970, "D": -4 * (step % 7 == 0)}.get(unit, 0)  # round years, and weeks that begin on Monday
    multiples = [k for k in range(int(start), int(stop) + 1) if (k + zero) % step == 0]
    stamps = list(np.array(multiples, dtype=np.int64).astype(f"datetime64[{unit}]"))
    values = [float(s.astype("datetime64[us]").astype(int)) for s in stamps]
    inside = [(s, v) for s, v in zip(stamps, values, strict=True) if low <= v <= high]
    return [Tick(v, _format_date(s, unit, first=i == 0)) for i, (s, v) in enumerate(inside)]


def format_number(value: float, step: float | None = None) -> str:
    """Return a number for an axis, whose ticks are `step` apart, or for a sentence."""
    size = abs(value) if step is None else max(abs(value), abs(step))
    for limit, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if size >= limit:
            return f"{value / limit:g}{letter}"
    if value and (size < 1e-4 or (step is not None and step < 1e-4)):
        return f"{value:.2g}"
    if step is None:
        return f"{value:,.4g}" if size < 1000 else f"{value:,.0f}"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if round(step, decimals) != round(step, decimals + 2):
        decimals += 1  # 2.5, 0.25
    return f"{value:,.{decimals}f}"


def _format_date(stamp: np.datetime64, unit: str, *, first: bool) -> str:
    year, month, day = str(stamp.astype("datetime64[D]")).rsplit("-", 2)
    name = _MONTHS[int(month) - 1]
    if unit == "Y":
        return year
    if unit == "M":
        return year if month == "01" else f"{name} {year}" if first else name
    if unit == "D" or stamp == stamp.astype("datetime64[D]"):
        return f"{int(day)} {name}{f' {year}' if first and unit == 'D' else ''}"
    return str(stamp.astype("datetime64[m]"))[-5:]
