"""A chart: two axes, lines, bands and dots, drawn for one width.

Colours and fonts are classes of the page's style sheet, which has a light and a dark version; each kind of line has its
own class.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from markupsafe import Markup

from throughtime.app.report import ticks
from throughtime.app.report.svg import path, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    Values = Sequence[float] | np.ndarray

AxisKind = Literal["numbers", "whole", "dates", "powers", "notes"]
"""What the numbers of an axis mean."""

_TOP, _RIGHT, _BOTTOM = 10.0, 14.0, 24.0
_CHARACTER = 6.6  # width of a digit in an axis label


@dataclass(frozen=True)
class Axis:
    """The map from values to pixels, and the ticks.

    Attributes:
        low: value at `start`.
        high: value at `stop`.
        kind: what the numbers mean; 'powers' are logarithms to base ten.
        start: pixel.
        stop: pixel.
    """

    low: float
    high: float
    kind: AxisKind = "numbers"
    start: float = 0.0
    stop: float = 1.0

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.stop - self.start)

    def ticks(self, count: int) -> list[ticks.Tick]:
        """Return about `count` ticks at round values."""
        match self.kind:
            case "dates":
                return ticks.date_ticks(self.low, self.high, count)
            case "whole":
                return ticks.integer_ticks(self.low, self.high, count)
            case "notes":
                return ticks.octave_ticks(self.low, self.high)
            case "powers":
                return ticks.log_ticks(10**self.low, 10**self.high)
            case _:
                return ticks.number_ticks(self.low, self.high, count)


def fit_axis(*values: Values, zero: bool = False, kind: AxisKind = "numbers", margin: float = 0.05) -> Axis:
    """Return an axis with room for all values; it starts at zero if `zero`."""
    numbers = np.concatenate([np.asarray(v, dtype=float).ravel() for v in values])
    numbers = numbers[np.isfinite(numbers)]
    low, high = (float(numbers.min()), float(numbers.max())) if len(numbers) else (0.0, 1.0)
    low = min(low, 0.0) if zero else low
    if high <= low:
        low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    room = (high - low) * margin
    return Axis(low if zero and low == 0 else low - room, high + room, kind)


@dataclass
class Chart:
    """A chart to draw on.

    Attributes:
        title: what it shows, for screen readers.
        x: the horizontal axis.
        y: the vertical axis.
        width: pixels.
        height: pixels.
    """

    title: str
    x: Axis
    y: Axis
    width: int
    height: int
    _marks: list[Markup] = field(default_factory=list)

    def __post_init__(self) -> None:
        labels = self.y.ticks(5)
        left = 14 + _CHARACTER * max((len(t.label) for t in labels), default=1)
        self.x = Axis(self.x.low, self.x.high, self.x.kind, left, self.width - _RIGHT)
        self.y = Axis(self.y.low, self.y.high, self.y.kind, self.height - _BOTTOM, _TOP)

    def line(self, x: Values, y: Values, kind: str) -> None:
        """Draw a line through points, interrupted at missing values; a single point becomes a dot."""
        xs, ys = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        self._marks.append(tag("path", class_=f"line {kind}", d=path(self._pixels(xs, ys))))
        finite = np.isfinite(np.concatenate([[np.nan], ys, [np.nan]]))
        single = finite[1:-1] & ~finite[:-2] & ~finite[2:]
        self.dots(xs[single], ys[single], kind)

    def dots(self, x: Values, y: Values, kind: str, radius: float = 2.0) -> None:
        """Draw points, without missing values."""
        for a, b in zip(x, y, strict=True):
            if math.isfinite(b):
                self._marks.append(tag("circle", class_=f"dot {kind}", cx=self.x(a), cy=self.y(b), r=radius))

    def band(self, x: Values, low: Values, high: Values, kind: str) -> None:
        """Draw the area between two lines."""
        upper = self._pixels(x, high)
        lower = self._pixels(x, low)[::-1]
        self._marks.append(tag("path", class_=f"band {kind}", d=path(upper + lower, closed=True)))

    def block(self, x: tuple[float, float], y: tuple[float, float], kind: str) -> None:
        """Draw a filled rectangle."""
        left, right, top, bottom = self.x(x[0]), self.x(x[1]), self.y(y[1]), self.y(y[0])
        self._marks.append(tag("rect", class_=f"block {kind}", x=left, y=top, width=right - left, height=bottom - top))

    def rule(self, x: float) -> None:
        """Draw a vertical line."""
        pixel = self.x(x)
        self._marks.append(tag("line", class_="rule", x1=pixel, x2=pixel, y1=self.y.stop, y2=self.y.start))

    def svg(self, x_label: str = "") -> Markup:
        """Return the chart as an element."""
        children = [tag("title", Markup.escape(self.title)), self._grid(), *self._marks, self._x_axis(x_label)]
        return tag("svg", *children, viewBox=f"0 0 {self.width} {self.height}", role="img", aria_label=self.title)

    def _pixels(self, x: Values, y: Values) -> list[tuple[float, float]]:
        return [(self.x(a), self.y(b)) for a, b in zip(x, y, strict=True)]

    def _grid(self) -> Markup:
        marks = []
        for value, label in self.y.ticks(5):
            y = self.y(value)
            marks.append(tag("line", class_="grid", x1=self.x.start, x2=self.x.stop, y1=y, y2=y))
            marks.append(tag("text", label, class_="tick", x=self.x.start - 7, y=y + 4, text_anchor="end"))
        return tag("g", *marks)

    def _x_axis(self, x_label: str) -> Markup:
        bottom = self.y.start
        marks = [tag("line", class_="axis", x1=self.x.start, x2=self.x.stop, y1=bottom, y2=bottom)]
        free = self.x.stop - (len(x_label) * _CHARACTER + 12 if x_label else 0)
        for value, label in self.x.ticks(max(3, self.width // 110)):
            x = self.x(value)
            marks.append(tag("line", class_="axis", x1=x, x2=x, y1=bottom, y2=bottom + 4))
            half = len(label) * _CHARACTER / 2
            if x + half <= (free if x_label else self.width):
                marks.append(tag("text", label, class_="tick", x=x, y=bottom + 17, text_anchor="middle"))
        if x_label:
            marks.append(tag("text", x_label, class_="tick", x=self.x.stop, y=bottom + 17, text_anchor="end"))
        return tag("g", *marks)
