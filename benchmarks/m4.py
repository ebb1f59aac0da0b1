"""The forecaster with its default settings on the official test sets of the M4 competition.

    THROUGHTIME_DATA=… python benchmarks/m4.py [--preset balanced] [--seeds 3]

Prints sMAPE, MASE and OWA as the competition defines them, the coverage and the mean scaled interval score of the 95 %
intervals, and wall and CPU seconds, for each set and seed. Beside them stand the competition's own figures for ES-RNN.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd

from throughtime import Forecaster

# Frequency, horizon, season of MASE, sMAPE and MASE of Naive2 (the denominators of OWA), OWA of ES-RNN.
SETS = {
    "hourly": ("h", 48, 24, 18.383, 2.395, 0.440),
    "weekly": ("W", 13, 1, 9.161, 2.777, 0.851),
}


def main() -> None:
    """Run both sets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    for name in SETS:
        for seed in range(arguments.seeds):
            print(run(name, arguments.preset, seed), flush=True)


def run(name: str, preset: str, seed: int) -> str:
    """Fit one set with one seed and describe the result in a line."""
    freq, horizon, season, smape_naive, mase_naive, es_rnn = SETS[name]
    path = Path(os.environ["THROUGHTIME_DATA"]) / "forecasting" / "m4" / f"m4_{name}.jsonl.gz"
    with gzip.open(path, "rt") as file:
        series = [json.loads(line) for line in file]
    start = pd.Timestamp("2015-01-04")
    parts = [
        pd.DataFrame(
            {"unique_id": s["id"], "ds": pd.date_range(start, periods=len(s["train"]), freq=freq), "y": s["train"]}
        )
        for s in series
    ]
    wall, cpu = time.monotonic(), time.process_time()
    forecaster = Forecaster(horizon, preset=preset, random_state=seed).fit(pd.concat(parts))
    found = forecaster.predict(level=[80, 95]).groupby("unique_id", sort=False)
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    frames = [found.get_group(s["id"]) for s in series]
    y = np.array([s["test"] for s in series], dtype=float)
    forecast, low, high = (np.stack([f[c] for f in frames]) for c in columns())
    scale = np.array([np.abs(np.subtract(s["train"][season:], s["train"][:-season])).mean() for s in series])
    smape = np.mean(200 * np.abs(y - forecast) / (np.abs(y) + np.abs(forecast)))
    mase = np.mean(np.abs(y - forecast).mean(1) / scale)
    owa = (smape / smape_naive + mase / mase_naive) / 2
    misses = 2 / 0.05 * (np.maximum(low - y, 0) + np.maximum(y - high, 0))
    msis = np.mean((high - low + misses).mean(1) / scale)
    covered = np.mean((low <= y) & (y <= high))
    return (
        f"M4 {name}, {preset}, seed {seed}: sMAPE {smape:.3f}  MASE {mase:.3f}  OWA {owa:.4f} (ES-RNN {es_rnn})  "
        f"95 %: coverage {covered:.1%}, MSIS {msis:.2f}  {wall:.0f} s, {cpu:.0f} CPU-s"
    )


def columns() -> tuple[str, str, str]:
    """Forecast and the bounds of its 95 % interval."""
    return "throughtime", "throughtime-lo-95", "throughtime-hi-95"


if __name__ == "__main__":
    main()
