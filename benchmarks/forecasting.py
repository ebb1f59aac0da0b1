"""Scores of the forecaster with default settings on public test sets, by the metrics of their authors.

    THROUGHTIME_DATA=… python benchmarks/forecasting.py [m4-hourly …] [--preset balanced] [--seeds 1]

Prints a line for each set and seed, with the seconds of processor time of training and forecasting together, and
published results on the same test set; after several seeds the mean of each figure ± its standard deviation. ETTh1 is
trained once, on the usual training and validation months, and forecasts every `ETT_STRIDE`-th window of the test
months. The last five sets have no usual test set: their last windows are held out, the network is trained once, before
the first, and its error is compared with those of simple forecasts.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from throughtime import Forecaster, datasets

if TYPE_CHECKING:
    from collections.abc import Iterator

ETT_STRIDE = 24
ETT_TRAINING, ETT_TEST = 8640, 11520  # rows: end of the training months, beginning of the test months
# Frequency, horizon, season of MASE, sMAPE and MASE of Naive2 (the denominators of OWA).
M4 = {"m4-hourly": ("h", 48, 24, 18.383, 2.395), "m4-weekly": ("W", 13, 1, 9.161, 2.777)}
M3 = {"yearly": "YS", "quarterly": "QS", "monthly": "MS", "other": "D"}
# Horizon, and held-out windows at the end.
HELD_OUT = {
    "airline": (12, 4),
    "monthly-sunspots": (12, 40),
    "gefcom2012-load": (24, 28),
    "electricity-weekly": (8, 1),
    "exchange-rate": (30, 40),
}
PUBLISHED = {
    "m4-hourly": "OWA: ES-RNN 0.440, best of 61 entries 0.410; MSIS: ES-RNN 7.93, best 6.14",
    "m4-weekly": "OWA: ES-RNN 0.851, best of 61 entries 0.739; MSIS: ES-RNN 22.03, best 16.20",
    "m3": "sMAPE of all: Theta 13.01, N-BEATS 12.37; monthly: Theta 13.85, best RNN 14.11",
    "etth1": "MSE at 96 / 192 / 336 / 720: SegRNN .368 / .408 / .444 / .446, PatchTST .414 / .460 / .501 / .500",
    "sunspots": "MAE of an autoregression of order 9: 20.06 at 11 years, 14.90 at one",
    "airline": "baseline: seasonal naive",
    "monthly-sunspots": "baseline: seasonal naive",
    "gefcom2012-load": "baseline: seasonal naive",
    "electricity-weekly": "baseline: seasonal naive, also with a season of a year",
    "exchange-rate": "baseline: seasonal naive; the verdict must report that the last value is as good",
}


@dataclass(frozen=True)
class ScoreLine:
    """Figures of one forecaster on one set.

    Attributes:
        what: was forecast.
        figures: by their names.
        remark: printed after them.
    """

    what: str
    figures: dict[str, float]
    remark: str = ""

    def __str__(self) -> str:
        return f"{self.what}: " + ", ".join(f"{name} {value:.4g}" for name, value in self.figures.items()) + self.remark


def main() -> None:
    """Run the named sets, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=[*PUBLISHED], help=", ".join(PUBLISHED))
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    print(f"{torch.get_num_threads()} threads")
    for name in arguments.sets:
        print(f"{name} ({PUBLISHED[name]})")
        runs = [run(name, arguments.preset, seed) for seed in range(arguments.seeds)]
        if len(runs) > 1:
            for lines in zip(*runs, strict=True):
                print(f"  {len(runs)} seeds: {spread(lines)}", flush=True)


def run(name: str, preset: str, seed: int) -> list[ScoreLine]:
    """Return the lines of one seed, each with its processor time."""
    lines = []
    started = time.process_time()
    for line in RUNS[name](name, {"preset": preset, "random_state": seed}):
        line.figures["CPU-s"] = time.process_time() - started
        print(f"  seed {seed}: {line}", flush=True)
        lines.append(line)
        started = time.process_time()
    return lines


def spread(lines: tuple[ScoreLine, ...]) -> str:
    """Return the mean of each figure and its standard deviation over the seeds."""
    values = {name: np.array([line.figures[name] for line in lines]) for name in lines[0].figures}
    figures = (f"{name} {value.mean():.4g} ± {value.std(ddof=1):.2g}" for name, value in values.items())
    return f"{lines[0].what}: {', '.join(figures)}"


def m4(name: str, options: dict[str, Any]) -> Iterator[ScoreLine]:
    """Score by the metrics of the competition, and the intervals."""
    freq, horizon, season, smape_naive, mase_naive = M4[name]
    series = records(f"m4/{name.replace('-', '_')}.jsonl.gz")
    forecasts = Forecaster(horizon, **options).fit(frame(series, freq)).predict(level=[80, 95])
    y, forecast = tests(series), column(forecasts, series, "throughtime")
    scale = naive_errors(series, season)
    smape, mase = percentage(y, forecast).mean(), (np.abs(y - forecast).mean(1) / scale).mean()
    figures = {"OWA": (smape / smape_naive + mase / mase_naive) / 2, "sMAPE": smape, "MASE": mase}
    for level in (80, 95):
        low, high = (column(forecasts, series, f"throughtime-{side}-{level}") for side in ("lo", "hi"))
        misses = 2 / (1 - level / 100) * (np.maximum(low - y, 0) + np.maximum(y - high, 0))
        figures[f"coverage at {level} %"] = 100 * ((low <= y) & (y <= high)).mean()
        figures[f"MSIS({level})"] = ((high - low + misses).mean(1) / scale).mean()
    yield ScoreLine(f"{len(series)} series", figures)


def m3(_: str, options: dict[str, Any]) -> Iterator[ScoreLine]:
    """Score one forecaster per group, and the mean over all forecast points."""
    every = records("m3/m3.jsonl.gz")
    errors = []
    for group, freq in M3.items():
        series = [s for s in every if s["freq"] == group]
        horizon, season = series[0]["horizon"], series[0]["period"]
        forecasts = Forecaster(horizon, **options).fit(frame(series, freq)).predict()
        y, forecast = tests(series), column(forecasts, series, "throughtime")
        mase = (np.abs(y - forecast).mean(1) / naive_errors(series, season)).mean()
        errors.append(percentage(y, forecast).ravel())
        yield ScoreLine(f"{group}, {len(series)} series", {"sMAPE": errors[-1].mean(), "MASE": mase})
    yield ScoreLine("all", {"sMAPE": np.concatenate(errors).mean()})


def etth1(_: str, options: dict[str, Any]) -> Iterator[ScoreLine]:
    """Forecast seven variables as seven series, each scaled by the training months."""
    table = pd.read_csv(data("ETTh1.csv")).iloc[:14400]
    names = table.columns[1:]
    scaled = (table[names] - table[names][:ETT_TRAINING].mean()) / table[names][:ETT_TRAINING].std(ddof=0)
    dates = pd.to_datetime(table["date"])
    rows = pd.concat([pd.DataFrame({"unique_id": name, "ds": dates, "y": scaled[name]}) for name in names])
    for horizon in (96, 192, 336, 720):
        windows = (len(table) - ETT_TEST - horizon) // ETT_STRIDE + 1
        forecasts = Forecaster(horizon, **options).cross_validation(rows, n_windows=windows, step_size=ETT_STRIDE)
        errors = (forecasts["y"] - forecasts["throughtime"]).to_numpy()
        yield ScoreLine(
            f"{horizon} hours, {windows} windows", {"MSE": (errors**2).mean(), "MAE": np.abs(errors).mean()}
        )


def sunspots(_: str, options: dict[str, Any]) -> Iterator[ScoreLine]:
    """Forecast from 34 origins over the last 44 years; trained once, before the first."""
    rows = datasets.load("sunspots")
    y = rows["y"].to_numpy()
    for horizon in (11, 1):
        forecaster = Forecaster(horizon, **options).fit(rows.iloc[: len(y) - 44])
        origins = range(len(y) - 44, len(y) - 10)
        errors = [np.abs(forecaster.predict(rows.iloc[:o])["throughtime"] - y[o : o + horizon]).mean() for o in origins]
        yield ScoreLine(f"{horizon} years", {"MAE": float(np.mean(errors))})


def held_out(name: str, options: dict[str, Any]) -> Iterator[ScoreLine]:
    """Score MASE together with that of the simple forecasts, and print the verdict."""
    horizon, windows = HELD_OUT[name]
    set_name = name.replace("-", "_")
    rows = datasets.load(set_name)
    if name == "electricity-weekly":
        rows = pd.concat([rows, datasets.load_test(set_name)])
    result = Forecaster(horizon, **options).backtest(rows, windows, memoryless=False)
    figures = {method.replace("_", " "): score["mase"] for method, score in result.scores.items()}
    remark = f". {result.verdict} Against {result.skill.against}: {result.skill}"
    yield ScoreLine(f"{horizon} steps, {windows} windows, MASE", figures, remark)


RUNS = {"m4-hourly": m4, "m4-weekly": m4, "m3": m3, "etth1": etth1, "sunspots": sunspots}
RUNS |= dict.fromkeys(HELD_OUT, held_out)


def data(name: str) -> Path:
    """Return the path of a file of the data sets."""
    return Path(os.environ["THROUGHTIME_DATA"]) / "forecasting" / name


def records(name: str) -> list[dict[str, Any]]:
    """Read the series of a file of JSON lines."""
    with gzip.open(data(name), "rt") as file:
        return [json.loads(line) for line in file]


def frame(series: list[dict[str, Any]], freq: str) -> pd.DataFrame:
    """Return the training sets as a long frame."""
    dates = [pd.date_range("1950-01-01", periods=len(s["train"]), freq=freq) for s in series]
    rows = [{"unique_id": s["id"], "ds": d, "y": s["train"]} for s, d in zip(series, dates, strict=True)]
    return pd.concat([pd.DataFrame(row) for row in rows])


def tests(series: list[dict[str, Any]]) -> np.ndarray:
    """Return the test values: (n, F)."""
    return np.array([s["test"] for s in series], dtype=float)


def column(forecasts: pd.DataFrame, series: list[dict[str, Any]], name: str) -> np.ndarray:
    """Return a column of a forecast in the order of the series: (n, F)."""
    groups = forecasts.groupby("unique_id", sort=False)
    return np.stack([groups.get_group(s["id"])[name] for s in series])


def percentage(y: np.ndarray, forecast: np.ndarray) -> np.ndarray:
    """Return the terms of sMAPE, in percent."""
    return 200 * np.abs(y - forecast) / (np.abs(y) + np.abs(forecast))


def naive_errors(series: list[dict[str, Any]], season: int) -> np.ndarray:
    """Return the denominators of MASE: (n,)."""
    return np.array([np.abs(np.subtract(s["train"][season:], s["train"][:-season])).mean() for s in series])


if __name__ == "__main__":
    main()
