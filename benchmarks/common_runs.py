"""How long the commands of a working day take, from the shell and each in a new process.

    python -m benchmarks.common_runs --out benchmarks/results/common_runs.json

`throughtime forecast` on one monthly series of 10 years and on 100 daily series of 3 years, with backtest and report,
and `throughtime predict` from the model of the 100 series. For each run the wall time, the seconds of the processor,
which other programs change little, and the largest memory; the least of several runs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

_TARGETS = {"monthly": 6.0, "daily": 60.0, "predict": 2.5}  # seconds of wall time on two cores


def main() -> None:
    """Measure, and print or write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", choices=_TARGETS, nargs="+", default=list(_TARGETS))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        _series(1, "2014-01-01", "2023-12-01", "1mo", season=12).write_csv(folder / "monthly.csv")
        _series(100, "2021-01-01", "2023-12-31", "1d", season=7).write_csv(folder / "daily.csv")
        commands = {
            "monthly": ("forecast", "monthly.csv", "--horizon", "12", "--out", "monthly", "--overwrite"),
            "daily": ("forecast", "daily.csv", "--horizon", "28", "--out", "daily", "--overwrite"),
            "predict": ("predict", "daily", "daily.csv", "--out", "next.csv", "--overwrite"),
        }
        if "predict" in options.only and "daily" not in options.only:
            _measure((*commands["daily"], "--preset", "fast"), folder, 1)
        for name in options.only:
            results[name] = _measure(commands[name], folder, options.runs) | {"target": _TARGETS[name]}
            print(name, results[name], file=sys.stderr, flush=True)
    text = json.dumps(results, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


def _series(count: int, start: str, end: str, every: str, *, season: int) -> pl.DataFrame:
    """Return series with a trend, a season and noise, as a long frame."""
    rng = np.random.default_rng(0)
    ds = pl.date_range(pl.lit(start).str.to_date(), pl.lit(end).str.to_date(), every, eager=True)
    t = np.arange(len(ds))
    shape = 1 + 0.001 * t + 0.2 * np.sin(2 * np.pi * t / season)
    levels = 50.0 + np.arange(count)
    y = levels[:, None] * (shape + 0.05 * rng.standard_normal((count, len(ds))))
    names = np.repeat([f"shop {i:03}" for i in range(count)], len(ds))
    return pl.DataFrame({"unique_id": names, "ds": pl.concat([ds] * count), "y": y.ravel().round(2)})


def _measure(arguments: tuple[str, ...], folder: Path, runs: int) -> dict[str, float]:
    """Return seconds of wall time and of the processor, and MiB, of a command."""
    figures = []
    for _ in range(runs):
        started = time.monotonic()
        command, quiet = [sys.executable, "-m", "throughtime", *arguments], subprocess.DEVNULL
        process = subprocess.Popen(command, cwd=folder, stdout=quiet, stderr=quiet)  # noqa: S603 - our own
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"throughtime {' '.join(arguments)}: exit status {status}")
        seconds = time.monotonic() - started
        figures.append((seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024))
    names = ("wall_seconds", "processor_seconds", "memory_mib")
    return {name: round(min(values), 2) for name, values in zip(names, zip(*figures, strict=True), strict=True)}


if __name__ == "__main__":
    main()
