"""How long the runtime takes to import, to load a forecaster, and to forecast 100 series.

    python -m benchmarks.runtime_forecasts --out benchmarks/results/runtime_forecasts.json

Each figure is the least of several runs, in seconds of the processor, so that other programs count little; imports are
those of new processes, without and with Python's and numpy's own.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import throughtime as tt
from throughtime import runtime
from throughtime.data.datasets import seasonal

if TYPE_CHECKING:
    from collections.abc import Callable

_SERIES, _STEPS, _HORIZON = 100, 120, 12
_IMPORT = """
import time, numpy
start = time.process_time()
from throughtime import runtime
print(time.process_time() - start, time.process_time())
"""


def main() -> None:
    """Measure, and print or write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results = {"processor": platform.processor() or platform.machine(), "series": _SERIES, "steps": _STEPS}
    results |= {"horizon": _HORIZON, "import_seconds": _import_seconds(options.runs)}
    with tempfile.TemporaryDirectory() as folder:
        for likelihood in (None, "student_t", "negative_binomial"):
            results[likelihood or "no likelihood"] = _measure(likelihood, Path(folder), options.runs)
    text = json.dumps(results, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


def _measure(likelihood: str | None, folder: Path, runs: int) -> dict[str, float]:
    df = seasonal(_SERIES, _STEPS)
    df["y"] = df["y"].round() if likelihood == "negative_binomial" else df["y"]
    estimator = tt.Forecaster(_HORIZON, preset=tt.Preset(1, 5), likelihood=likelihood).fit(df)
    path = folder / str(likelihood)
    estimator.save(path)
    model = runtime.load(path)
    columns = {name: df[name].to_numpy() for name in df}
    return {
        "load_seconds": _least(lambda: runtime.load(path), runs),
        "forecast_seconds": _least(model.predict, runs),
        "forecast_from_columns_seconds": _least(lambda: model.predict(columns), runs),
        "estimator_seconds": _least(estimator.predict, runs),
    }


def _least(call: Callable[[], Any], runs: int) -> float:
    seconds = []
    for _ in range(runs):
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return round(min(seconds), 4)


def _import_seconds(runs: int) -> dict[str, float]:
    command = [sys.executable, "-c", _IMPORT]
    outputs = [subprocess.run(command, capture_output=True, check=True) for _ in range(runs)]  # noqa: S603 - our own
    alone, total = zip(*(map(float, output.stdout.split()) for output in outputs), strict=True)
    return {"beside_numpy": round(min(alone), 4), "process": round(min(total), 4)}


if __name__ == "__main__":
    main()
