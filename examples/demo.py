"""Forecast the carbon dioxide in the air over Mauna Loa: write a table, run the command line, print the paths.

The monthly means have gaps, which the run detects, masks and reports.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from throughtime import datasets

DIRECTORY = Path("demo")
HORIZON = 24  # months


def main() -> int:
    """Run the demonstration. Returns the exit code of the command line."""
    DIRECTORY.mkdir(exist_ok=True)
    table = DIRECTORY / "co2.csv"
    datasets.load("co2").to_csv(table, columns=["ds", "y"], header=["month", "co2"], index=False)
    run = DIRECTORY / "co2"
    arguments = ["forecast", str(table), "--horizon", str(HORIZON), "--out", str(run), "--overwrite"]
    print(f"$ throughtime {' '.join(arguments)}", flush=True)
    code = subprocess.run([sys.executable, "-m", "throughtime", *arguments], check=False).returncode
    if code == 0:
        print(f"\nOpen {(run / 'report.html').absolute().as_uri()} in a browser.")
    return code


if __name__ == "__main__":
    sys.exit(main())
