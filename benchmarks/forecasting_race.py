"""Time from a table to its forecast: `Forecaster` compared with recurrent models of neuralforecast and Darts.

    pip install neuralforecast 'u8darts[torch]'
    THROUGHTIME_DATA=… OMP_NUM_THREADS=1 python benchmarks/forecasting_race.py [neuralforecast …] [--updates 400]

Seconds of `fit` and `predict` together on M4 Hourly, all in one process, one after the other, after all imports. All
models have the same series, horizon of 48 hours, cell, 64 hidden units in one layer, updates of the weights, 64 windows
per update, and values per window. Ours makes half of the updates before it is calibrated on the held-out end and half
after it: its time includes the calibration and the intervals, which the others do not have.

The recurrent steps of a window differ: ours reads a day per step and forecasts from the end of every step, the others
read an hour per step and forecast from the last. This is the difference in design that the benchmark measures. In
further rows the others read a week only.
"""

from __future__ import annotations

import argparse
import logging
import time
import warnings
from typing import TYPE_CHECKING, Any

import darts  # pyright: ignore[reportMissingImports]
import torch
from darts.models import BlockRNNModel, RNNModel  # pyright: ignore[reportMissingImports]
from forecasting import M4, frame, records
from neuralforecast import NeuralForecast, models  # pyright: ignore[reportMissingImports]

from throughtime import Forecaster, Preset

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

HIDDEN, BATCH, DAY = 64, 64, 24
WINDOWS = {"three-weeks": 21 * DAY, "week": 7 * DAY}
QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "devices": 1,
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def main() -> None:
    """Run all models; print their seconds, and the ratio of processor time to ours."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=[*LIBRARIES], help=", ".join(LIBRARIES))
    parser.add_argument("--cell", default="gru", choices=["rnn", "gru", "lstm"])
    parser.add_argument("--updates", type=int, default=400)
    parser.add_argument("--windows", nargs="*", default=[*WINDOWS], help=", ".join(WINDOWS))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    cell, updates = arguments.cell, arguments.updates
    freq, horizon, *_ = M4["m4-hourly"]
    rows = frame(records("m4/m4_hourly.jsonl.gz"), freq)
    print(f"{cell}, {updates} updates, {torch.get_num_threads()} threads, torch {torch.__version__}")
    longest = WINDOWS["three-weeks"]
    base = timed(f"throughtime, {longest} values", lambda: ours(rows, cell, horizon, longest, updates), None)
    for words in arguments.windows:
        values = WINDOWS[words]
        for name in arguments.models:
            timed(f"{name}, {words}", lambda run=LIBRARIES[name], n=values: run(rows, cell, horizon, n, updates), base)


def timed(name: str, run: Callable[[], None], base: float | None) -> float:
    """Run once; print wall and processor seconds, and the ratio of the latter."""
    wall, cpu = time.monotonic(), time.process_time()
    run()
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    times = "" if base is None else f", {cpu / base:.1f} times as long"
    print(f"  {name}: {wall:.1f} s, {cpu:.1f} CPU-s{times}", flush=True)
    return cpu


def ours(rows: pd.DataFrame, cell: str, horizon: int, window: int, updates: int) -> None:
    """Train with half of the updates before the calibration, half after it."""
    preset = Preset(update_factor=10**6, max_updates=updates // 2)
    forecaster = Forecaster(horizon, cell=cell, hidden_size=HIDDEN, lookback=window, preset=preset).fit(rows)
    assert forecaster.model_.plan.lookback == window
    forecaster.predict()


def neuralforecast(rows: pd.DataFrame, cell: str, horizon: int, window: int, updates: int) -> None:
    """Train the direct model of neuralforecast: a recurrent layer, and a head for all steps."""
    model = getattr(models, cell.upper())(
        h=horizon,
        input_size=window,
        encoder_n_layers=1,
        encoder_hidden_size=HIDDEN,
        decoder_hidden_size=HIDDEN,
        decoder_layers=1,
        max_steps=updates,
        batch_size=BATCH,
        windows_batch_size=BATCH,
        **QUIET,
    )
    forecaster = NeuralForecast([model], freq="h")
    forecaster.fit(rows)
    forecaster.predict()


def block_rnn(rows: pd.DataFrame, cell: str, horizon: int, window: int, updates: int) -> None:
    """Train the direct model of Darts."""
    chunks = {"input_chunk_length": window, "output_chunk_length": horizon}
    darts_model(BlockRNNModel(**chunks, **darts_options(cell, updates)), rows, horizon)


def rnn_model(rows: pd.DataFrame, cell: str, horizon: int, window: int, updates: int) -> None:
    """Train the autoregressive model of Darts."""
    chunks = {"input_chunk_length": window, "training_length": window + horizon}
    darts_model(RNNModel(**chunks, **darts_options(cell, updates)), rows, horizon)


def darts_options(cell: str, updates: int) -> dict[str, Any]:
    """Return the options of both models of Darts."""
    sizes = {"model": cell.upper(), "hidden_dim": HIDDEN, "n_rnn_layers": 1, "batch_size": BATCH}
    return {**sizes, "n_epochs": updates, "pl_trainer_kwargs": {**QUIET, "max_steps": updates}}


def darts_model(model: Any, rows: pd.DataFrame, horizon: int) -> None:
    """Fit and predict all series, in single precision like the others."""
    series = darts.TimeSeries.from_group_dataframe(rows, "unique_id", "ds", "y", freq="h")
    series = [one.astype("float32") for one in series]
    model.fit(series)
    model.predict(horizon, series=series)


LIBRARIES = {"neuralforecast": neuralforecast, "BlockRNNModel": block_rnn, "RNNModel": rnn_model}

if __name__ == "__main__":
    main()
