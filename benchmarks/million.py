"""A million series that do not fit into memory: time and memory to train on a sample and to forecast all of them.

    python -m benchmarks.million --series 1000000 --folder /tmp/million

Writes Parquet files of generated daily series (a week's season, a random walk, noise; 100 steps each) unless the
folder exists, runs `throughtime forecast` on it in a separate process, and prints wall time, CPU time and
peak resident memory.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

STEPS = 100
_FILE, _GROUP = 100_000, 10_000  # series


def main() -> None:
    """Print one row of the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--series", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, required=True, help="of the series; forecasts are written next to it")
    parser.add_argument("--horizon", type=int, default=7)
    options, more = parser.parse_known_args()
    if not options.folder.exists():
        generate(options.folder, options.series)
    out = options.folder.with_name(options.folder.name + "-run")
    shutil.rmtree(out, ignore_errors=True)
    command = ["forecast", str(options.folder), "--horizon", str(options.horizon), "--out", str(out), *more]
    wall, cpu, memory = measured([sys.executable, "-m", "throughtime", *command])
    forecasts = pq.ParquetFile(out / "forecast.parquet").metadata.num_rows
    print(f"{options.series:,} series, {forecasts:,} rows forecast: {wall:.0f} s, {cpu:.0f} CPU-s, {memory:.0f} MiB")


def measured(command: list[str]) -> tuple[float, float, float]:
    """Run a command; return seconds, CPU-seconds and MiB of peak resident memory."""
    started = time.monotonic()
    process = subprocess.Popen(command)  # noqa: S603
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(process.returncode)
    return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def generate(folder: Path, count: int) -> None:
    """Write `count` series, a hundred thousand per file."""
    folder.mkdir(parents=True)
    for first in range(0, count, _FILE):
        with pq.ParquetWriter(folder / f"part-{first // _FILE:05}.parquet", _table(0, 1).schema) as writer:
            last = min(count, first + _FILE)
            for table in (_table(a, min(last, a + _GROUP)) for a in range(first, last, _GROUP)):
                writer.write_table(table)


def _table(first: int, last: int) -> pa.Table:
    """Return series by their numbers, the same in every run."""
    random = np.random.default_rng(first)
    n, t = last - first, np.arange(STEPS)
    season = 0.3 * np.sin(2 * np.pi * (t / 7 + random.random((n, 1))))
    walk = 0.02 * random.normal(size=(n, STEPS)).cumsum(1)
    y = np.exp(random.normal(3, 1, (n, 1)) + season + walk + 0.1 * random.normal(size=(n, STEPS)))
    ids = np.repeat([f"series-{i:07}" for i in range(first, last)], STEPS)
    ds = np.tile(np.datetime64("2024-01-01", "us") + t * np.timedelta64(1, "D"), n)
    return pa.table({"unique_id": ids, "ds": ds, "y": y.ravel()})


if __name__ == "__main__":
    main()
