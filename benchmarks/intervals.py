"""Coverage of prediction intervals on 200 generated panels, by kind of panel.

    python benchmarks/intervals.py [--every 5] [--preset fast] [--processes 2]

Each panel has 1 to 30 series of 5 to 500 values, one of seven frequencies, a horizon, and scales from 1e-3 to 1e6. A
forecaster with default settings is fitted once to each panel. Its intervals are compared with `FUTURES` continuations
of each series, which share the past and differ in the innovations after it, so coverage is conditional on the past.
Prints the coverage at 80 % and 95 %, each panel weighted equally, and the interval score at 95 % divided by that of
the best possible central interval, the empirical quantiles of the continuations: 1 cannot be improved on.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from throughtime import Forecaster

if TYPE_CHECKING:
    from collections.abc import Callable

PANELS = 200
FUTURES = 64
LEVELS = (80, 95)
SEASONS = {"h": 24, "D": 7, "W": 1, "MS": 12, "QS": 4, "B": 5, "15min": 8}
LENGTHS = ((5, 9), (10, 29), (30, 119), (120, 500))


class Draws(NamedTuple):
    """Random numbers of a series: (FUTURES, T) each; the columns of the past are equal in all rows."""

    normal: np.ndarray
    uniform: np.ndarray
    season: int
    parameters: np.ndarray  # uniform in 0 … 1, the same for all steps

    @property
    def steps(self) -> np.ndarray:
        """Indices of the steps."""
        return np.arange(self.normal.shape[1])

    @property
    def pattern(self) -> np.ndarray:
        """A season of amplitude 0.3 at most."""
        phase = 2 * np.pi * (self.steps / max(self.season, 2) + self.parameters[0])
        return 0.3 * self.parameters[1] * np.sin(phase) * (self.season > 1)


def noise(d: Draws) -> np.ndarray:
    """A constant level and white noise."""
    return 1 + (0.02 + 0.15 * d.parameters[2]) * d.normal


def seasonal(d: Draws) -> np.ndarray:
    """A season and autocorrelated noise."""
    return 1 + d.pattern + autocorrelated(0.05 * d.normal, 0.5)


def trend(d: Draws) -> np.ndarray:
    """A linear trend, up or down, with a season."""
    return 2 + d.pattern + (d.parameters[2] - 0.3) * d.steps / len(d.steps) + 0.05 * d.normal


def growth(d: Draws) -> np.ndarray:
    """Exponential growth with multiplicative noise."""
    return np.exp(2 * d.parameters[2] * d.steps / len(d.steps) + d.pattern + 0.06 * d.normal)


def walk(d: Draws) -> np.ndarray:
    """A random walk of logarithms."""
    return np.exp(0.03 * d.normal.cumsum(1))


def signed_walk(d: Draws) -> np.ndarray:
    """A random walk around zero."""
    return d.normal.cumsum(1)


def shifts(d: Draws) -> np.ndarray:
    """A level that jumps once in 60 steps."""
    jumps = (d.uniform < 1 / 60) * np.roll(d.normal, 1, 1) * 0.4
    return np.exp(jumps.cumsum(1) + 0.05 * d.normal)


def changing_variance(d: Draws) -> np.ndarray:
    """A standard deviation that depends on the season, or on time where there is none."""
    phase = 2 * np.pi * d.steps / (d.season if d.season > 1 else 40)
    return 2 + d.pattern + 0.1 * np.exp(1.2 * np.sin(phase)) * d.normal


def heavy_tails(d: Draws) -> np.ndarray:
    """Student's noise with 3 degrees of freedom."""
    from scipy.stats import t

    return 3 + d.pattern + 0.1 * t.ppf(np.clip(d.uniform, 1e-4, 1 - 1e-4), 3)


def intermittent(d: Draws) -> np.ndarray:
    """Zeros, and now and then a demand."""
    return np.where(d.uniform < 0.1 + 0.5 * d.parameters[2], np.ceil(np.exp(1 + 0.6 * d.normal)), 0.0)


def counts(d: Draws) -> np.ndarray:
    """Small whole numbers."""
    from scipy.stats import poisson

    return poisson.ppf(np.clip(d.uniform, 1e-6, 1 - 1e-6), (1 + 6 * d.parameters[2]) * (1 + d.pattern))


def autocorrelated(x: np.ndarray, coefficient: float) -> np.ndarray:
    """Return an autoregression of order one."""
    from scipy.signal import lfilter

    return np.asarray(lfilter([1.0], [1.0, -coefficient], x, axis=1))


KINDS: dict[str, Callable[[Draws], np.ndarray]] = {
    kind.__name__: kind
    for kind in (
        noise, seasonal, trend, growth, walk, signed_walk, shifts, changing_variance, heavy_tails, intermittent, counts,
    )
}  # fmt: skip
WHOLE = ("intermittent", "counts")


class Panel(NamedTuple):
    """A generated panel.

    Attributes:
        kind: of its series, or 'mixed'.
        length: of its longest series.
        horizon: steps to forecast.
        past: a long frame.
        futures: by series, in the order of the frame: (n, FUTURES, F).
        scales: by series, mean absolute change: (n,).
    """

    kind: str
    length: int
    horizon: int
    past: pd.DataFrame
    futures: np.ndarray
    scales: np.ndarray


def generate(number: int) -> Panel:
    """Generate the panel of a number."""
    random = np.random.default_rng([number, 20])
    kinds = [*KINDS, "mixed"]
    kind = kinds[number % len(kinds)]
    least, most = LENGTHS[(number // len(kinds)) % len(LENGTHS)]
    length = int(random.integers(least, most + 1))
    freq = str(random.choice([*SEASONS]))
    horizon = int(random.integers(1, max(2, min(24, length // 4)) + 1))
    count = int(np.exp(random.uniform(0, np.log(30.99))))
    uneven, scaled = random.random() < 0.3, random.random() < 0.5
    frames, futures, scales = [], [], []
    for i in range(count):
        own = int(random.integers(max(5, length // 2), length + 1)) if uneven and i else length
        series_kind = str(random.choice([*KINDS])) if kind == "mixed" else kind
        y = KINDS[series_kind](draws(random, own, horizon, SEASONS[freq]))
        if scaled and series_kind not in WHOLE:
            y = y * 10 ** random.uniform(-3, 6)
        past = y[0, :own]
        dates = pd.date_range(end="2026-01-01", periods=own, freq=freq)
        frames.append(pd.DataFrame({"unique_id": f"s{i:02}", "ds": dates, "y": past}))
        futures.append(y[:, own:])
        scales.append(np.abs(np.diff(past)).mean() or 1.0)
    return Panel(kind, length, horizon, pd.concat(frames), np.stack(futures), np.array(scales))


def draws(random: np.random.Generator, length: int, horizon: int, season: int) -> Draws:
    """Draw the random numbers of one series."""
    size = (FUTURES, length + horizon)
    normal, uniform = random.standard_normal(size), random.random(size)
    normal[:, :length], uniform[:, :length] = normal[:1, :length], uniform[:1, :length]
    return Draws(normal, uniform, season, random.random(3))


def measure(panel: Panel, preset: str) -> dict[str, float]:
    """Return coverage and score of one panel."""
    forecast = Forecaster(panel.horizon, preset=preset).fit(panel.past).predict(level=LEVELS)
    figures, y, bounds = {}, panel.futures, {}
    shape = (len(y), 1, panel.horizon)
    for level in LEVELS:
        low, high = (forecast[f"throughtime-{side}-{level}"].to_numpy().reshape(shape) for side in ("lo", "hi"))
        bounds[level] = (low, high)
        figures[f"{level} %"] = float(((y >= low) & (y <= high)).mean())
    best = np.quantile(y, [0.025, 0.975], axis=1)[:, :, None]
    scores = [interval_score(y, *pair).mean((1, 2)) / panel.scales for pair in (bounds[95], best)]
    figures["score"] = float(np.log(scores[0].mean() / max(scores[1].mean(), 1e-9)))
    return figures


def interval_score(y: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the interval score at 95 %, as in MSIS."""
    return high - low + 40 * (np.maximum(low - y, 0) + np.maximum(y - high, 0))


def row(number: int, preset: str = "fast") -> dict[str, Any]:
    """Return the figures of one panel, and its groups."""
    panel = generate(number)
    length = next(f"{a}-{b}" for a, b in LENGTHS if panel.length <= b)
    return {"number": number, "kind": panel.kind, "length": length} | measure(panel, preset)


def main() -> None:
    """Measure the panels and print the figures by kind and by length."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="fit every n-th panel only")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--processes", type=int, default=1, help="processes that fit in parallel")
    arguments = parser.parse_args()
    started = time.monotonic()
    numbers = range(0, PANELS, arguments.every)
    with ProcessPoolExecutor(arguments.processes) as pool:
        rows = list(pool.map(partial(row, preset=arguments.preset), numbers))
    table = pd.DataFrame(rows)
    for group in ("kind", "length"):
        print(summary(table.groupby(group)).to_string(), end="\n\n")
    print(summary(table.groupby(lambda _: "all")).to_string())
    print(f"{len(rows)} panels, {time.monotonic() - started:.0f} s")


def summary(groups: Any) -> pd.DataFrame:
    """Return the mean coverage in percent, and the geometric mean of scores."""
    means = groups[["80 %", "95 %", "score"]].mean()
    means["score"] = np.exp(means["score"])
    means[["80 %", "95 %"]] *= 100
    return means.round(1).assign(panels=groups.size())


if __name__ == "__main__":
    main()
