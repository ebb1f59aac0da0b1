"""The commands of the command line.

A command imports what it does when it runs, so that help appears at once. Tables are read before torch is imported, so
that errors in the data appear at once too.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from throughtime import __version__
from throughtime._core.errors import InputError
from throughtime.app.command_group import app, command
from throughtime.app.options import (
    Against,
    Budget,
    BudgetEach,
    CovariateOptions,
    Data,
    Ended,
    FutureData,
    Horizon,
    Json,
    Label,
    Model,
    NetworkOptions,
    Overwrite,
    RunOptions,
    SeriesOptions,
    TableOptions,
    TagColumn,
    Text,
    WindowOptions,
    Workers,
    positive_int,
    split_list,
)

if TYPE_CHECKING:
    from throughtime.app.tables.table import Table
    from throughtime.data.series.covariates import Covariates


def print_version(requested: bool) -> None:
    """Print the version and exit, if that is requested."""
    if requested:
        typer.echo(f"throughtime {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Forecast, classify, tag, generate and translate sequences with recurrent networks."""


@command(
    "throughtime forecast sales.csv --horizon 12",
    "throughtime forecast shops.parquet --horizon 7 --future price --holidays DE",
)
def forecast(
    data: Data,
    *,
    horizon: Horizon,
    table: TableOptions,
    covariate_options: CovariateOptions,
    future_data: FutureData = None,
    series: SeriesOptions,
    network: NetworkOptions,
    budget: Budget = None,
    against: Against = None,
    ended: Ended = None,
    sample: Annotated[
        int, typer.Option(callback=positive_int, help="Series to train on if DATA is a folder.")
    ] = 10_000,
    run: RunOptions,
) -> None:
    """Train a network on a table and write a forecast, a backtest and a report."""
    from throughtime.app.run_directory import RunDirectory

    directory = RunDirectory.choose(run.out, data, overwrite=run.overwrite)
    covariates = covariate_options.covariates()
    rows = _read(data, table, covariates, future_data, sample=sample, seed=series.seed)

    from throughtime import Forecaster
    from throughtime.app.jobs.forecast import run as run_forecast

    settings = series.settings(covariates) | network.settings() | {"budget": budget, "ended": ended or "own"}
    forecaster = Forecaster(horizon, **settings)
    raise typer.Exit(run_forecast(rows, forecaster, directory, against=split_list(against), as_json=run.json))


@command(
    "throughtime backtest sales.csv --horizon 12",
    "throughtime backtest sales.csv --horizon 12 --against auto_ets,lightgbm",
)
def backtest(
    data: Data,
    *,
    horizon: Horizon,
    held_out: WindowOptions,
    table: TableOptions,
    covariate_options: CovariateOptions,
    series: SeriesOptions,
    network: NetworkOptions,
    out: Annotated[Path | None, typer.Option(help="CSV file for all forecasts.", show_default="none")] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Print the scores of forecasts of past windows next to naive forecasts."""
    from throughtime.app.run_directory import check_output_file

    check_output_file(out, overwrite=overwrite, allow_stdout=False)
    covariates = covariate_options.covariates()
    rows = _read(data, table, covariates)

    from throughtime import Forecaster
    from throughtime.app.jobs.backtest import run

    forecaster = Forecaster(horizon, **series.settings(covariates), **network.settings())
    run(rows, forecaster, held_out, out, as_json=json)


@command(
    "throughtime compare sales.csv --horizon 12",
    "throughtime compare sales.csv --horizon 12 --seeds 3 --out board.csv",
)
def compare(
    data: Data,
    *,
    horizon: Horizon,
    cell: Annotated[str, typer.Option(help="Cells, comma-separated.")] = "rnn,gru,lstm",
    decoder: Annotated[str, typer.Option(help="Decoders, comma-separated: direct, autoregressive.")] = "direct",
    preset: Annotated[str, typer.Option(help="Presets, comma-separated: fast, balanced, best.")] = "balanced",
    seeds: Annotated[
        int, typer.Option(callback=positive_int, help="Networks of each kind, with seeds from --seed on.")
    ] = 1,
    held_out: WindowOptions,
    table: TableOptions,
    covariate_options: CovariateOptions,
    series: SeriesOptions,
    budget: BudgetEach = None,
    out: Annotated[Path | None, typer.Option(help="CSV file for the leaderboard.", show_default="none")] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Rank networks by backtests over the same windows of a table."""
    from throughtime.app.run_directory import check_output_file

    check_output_file(out, overwrite=overwrite, allow_stdout=False)
    covariates = covariate_options.covariates()
    rows = _read(data, table, covariates)

    from throughtime import Forecaster
    from throughtime.app.jobs.compare import build_forecasters, run

    forecaster = Forecaster(horizon, **series.settings(covariates), budget=budget)
    forecasters = build_forecasters(forecaster, split_list(cell), split_list(decoder), split_list(preset))
    run(rows, forecasters, held_out, out, seeds=seeds, as_json=json)


@command(
    "throughtime tune sales.csv --horizon 12 --trials 30",
    "throughtime tune sales.csv --horizon 12 --search cell,dropout --workers ray",
)
def tune(
    data: Data,
    *,
    horizon: Horizon,
    trials: Annotated[int, typer.Option(callback=positive_int, help="Settings to try.")] = 20,
    search: Annotated[
        str | None,
        typer.Option(
            help="Settings to vary, comma-separated: cell, hidden_size, lookback, loss, learning_rate, dropout; "
            "decoder.",
            show_default="all of these but the last",
        ),
    ] = None,
    windows: Annotated[
        int | None,
        typer.Option(
            callback=positive_int,
            help="Windows of the search; as many later ones check its result.",
            show_default="1 or 2",
        ),
    ] = None,
    storage: Annotated[
        Path | None,
        typer.Option(
            help="SQLite file of the trials; the same command continues an interrupted search.",
            show_default="OUT.trials.db",
        ),
    ] = None,
    table: TableOptions,
    covariate_options: CovariateOptions,
    future_data: FutureData = None,
    series: SeriesOptions,
    network: NetworkOptions,
    budget: BudgetEach = None,
    workers: Workers = None,
    run: RunOptions,
) -> None:
    """Search for better settings and write a forecast and a report with the best ones."""
    from throughtime.app.run_directory import RunDirectory

    directory = RunDirectory.choose(run.out, data, overwrite=run.overwrite)
    covariates = covariate_options.covariates()
    rows = _read(data, table, covariates, future_data)

    from throughtime import Forecaster
    from throughtime.app.jobs.tune import Search
    from throughtime.app.jobs.tune import run as run_search

    forecaster = Forecaster(horizon, **series.settings(covariates), **network.settings(), budget=budget)
    request = Search(trials, windows, split_list(search), storage, workers)
    raise typer.Exit(run_search(rows, forecaster, request, directory, as_json=run.json))


@command(
    "throughtime train classify reviews.tsv --test unseen.tsv",
    "throughtime train generate chorales.json --set hidden_size=256 --out chorales",
)
def train(
    task: Annotated[
        str, typer.Argument(help="Task: forecast, classify, tag, generate or translate.", show_default=False)
    ],
    data: Annotated[
        Path,
        typer.Argument(
            help="forecast: a table. classify: texts and labels as TSV, CSV, Parquet or JSON lines, or a UCR/UEA .ts "
            "file. tag: a CoNLL or CoNLL-U file. generate: a text, a JSON file of pieces, or a directory of MIDI "
            "files. translate: lines of a sentence, a tab and its translation.",
            show_default=False,
        ),
    ],
    *,
    test: Annotated[Path | None, typer.Option(help="File to test on.", show_default="a part of DATA")] = None,
    text: Text = None,
    label: Label = None,
    column: TagColumn = None,
    horizon: Annotated[
        int | None, typer.Option(callback=positive_int, help="Steps to forecast.", show_default=False)
    ] = None,
    table: TableOptions,
    cell: Annotated[str | None, typer.Option(help="rnn, gru or lstm.", show_default="by task")] = None,
    preset: Annotated[str, typer.Option(help="Training effort: fast, balanced or best.")] = "balanced",
    budget: Budget = None,
    more: Annotated[
        list[str] | None, typer.Option("--set", help="Any other setting of the estimator, as NAME=VALUE.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed; the same one repeats the run.")] = 0,
    run: RunOptions,
) -> None:
    """Train a model for a task and write it with its scores and a report."""
    from throughtime.app.jobs import tasks
    from throughtime.app.jobs.requests import TrainRequest
    from throughtime.app.run_directory import RunDirectory
    from throughtime.data.files import check_exists

    check_exists(data)
    directory = RunDirectory.choose(run.out, data, overwrite=run.overwrite)
    settings = {"cell": cell, "preset": preset, "budget": budget, "random_state": seed}
    settings = tasks.parse_settings(settings, more or [])
    options: dict[str, Any] = {"text": text, "label": label, "column": column, "horizon": horizon}
    options = tasks.select_options(task, options | table.as_dict())
    request = TrainRequest(data, test, options, settings, directory, as_json=run.json)

    from throughtime.app.jobs.train import run as run_training

    raise typer.Exit(run_training(task, request))


@command(
    "throughtime predict throughtime-sales sales-new.csv --out next.csv",
    "throughtime predict throughtime-reviews fresh.tsv --json",
)
def predict(
    model: Model,
    data: Annotated[
        Path,
        typer.Argument(
            help="File as for throughtime train. Labels and tags may be missing. A forecast follows the last rows: "
            "include the history, not the new rows alone. Lines to translate hold one sentence.",
            show_default=False,
        ),
    ],
    *,
    table: TableOptions,
    future_data: FutureData = None,
    ended: Ended = None,
    text: Text = None,
    out: Annotated[
        Path, typer.Option(help="File to write, a Parquet file for a folder of tables; - for the screen.")
    ] = Path("-"),
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Write the forecasts, classes, tags or translations of a trained model."""
    from throughtime.app.jobs import tasks
    from throughtime.app.jobs.requests import ModelRequest
    from throughtime.app.run_directory import check_output_file, model_directory
    from throughtime.data.files import check_exists

    directory = model_directory(model)
    check_exists(data)
    check_output_file(out, overwrite=overwrite)
    task, module = tasks.load_task_module(directory)
    options = table.as_dict() | {"future_data": future_data, "text": text, "ended": ended}
    module.predict(ModelRequest(directory, data, tasks.select_options(task, options), out, as_json=json))


@command(
    "throughtime explain throughtime-sales",
    "throughtime explain throughtime-sales sales-new.csv --out gradients.svg",
)
def explain(
    model: Model,
    data: Annotated[Path | None, typer.Argument(help="CSV or Parquet file.", show_default="training data")] = None,
    *,
    table: TableOptions,
    season: Annotated[
        int | None,
        typer.Option(
            callback=positive_int, help="Values that the memory should reach back.", show_default="found in training"
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Picture to write: .svg, .png or .pdf.", show_default="none")] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Measure how far back gradients reach in a trained network, and suggest remedies."""
    from throughtime.app.run_directory import check_output_file, model_directory

    directory = model_directory(model)
    check_output_file(out, overwrite=overwrite)

    from throughtime.app.jobs.explain import run

    run(directory, data, table.as_dict(), season, out, as_json=json)


@command(
    "throughtime evaluate throughtime-sales sales-later.csv",
    "throughtime evaluate throughtime-reviews unseen.tsv --json",
)
def evaluate(
    model: Model,
    data: Annotated[
        Path,
        typer.Argument(
            help="File as for throughtime train, with labels or tags. Of a table the rows after those of the training "
            "are scored; the new rows alone are enough.",
            show_default=False,
        ),
    ],
    *,
    table: TableOptions,
    text: Text = None,
    label: Label = None,
    column: TagColumn = None,
    json: Json = False,
) -> None:
    """Print the scores of a trained model on data that it was not trained on."""
    from throughtime.app.jobs import tasks
    from throughtime.app.jobs.requests import ModelRequest
    from throughtime.app.run_directory import model_directory
    from throughtime.data.files import check_exists

    directory = model_directory(model)
    check_exists(data)
    task, module = tasks.load_task_module(directory)
    options = table.as_dict() | {"text": text, "label": label, "column": column}
    module.evaluate(ModelRequest(directory, data, tasks.select_options(task, options), as_json=json))


@command(
    "throughtime generate throughtime-chorales --prompt 60 --out tune.mid",
    "throughtime generate throughtime-poems --prompt 'The sea' --length 400",
)
def generate(
    model: Model,
    *,
    prompt: Annotated[
        str | None, typer.Option(help="Text, or notes such as '60' or '60,64 62'.", show_default="none")
    ] = None,
    length: Annotated[
        int, typer.Option(callback=positive_int, help="Steps: characters, bytes, words, or steps of music.")
    ] = 200,
    temperature: Annotated[
        float, typer.Option(help="Below 1: more likely steps. Above 1: more surprising ones.")
    ] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Sample from the k most likely.", show_default="all")] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Sample from the most likely up to this total probability.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Random seed; the same one repeats the result.", show_default="random")
    ] = None,
    out: Annotated[Path, typer.Option(help="File: .txt; .mid, .png, .json for music; - for the screen.")] = Path("-"),
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Write new text or music with a trained model."""
    from throughtime.app.run_directory import check_output_file, model_directory

    directory = model_directory(model)
    check_output_file(out, overwrite=overwrite)

    from throughtime.app.jobs.generate import SampleRequest, run

    run(directory, SampleRequest(prompt, length, temperature, top_k, top_p, seed), out, as_json=json)


@command(
    "throughtime export layer --to onnx",
    "throughtime export layer --to onnx --out layer.onnx --overwrite",
)
def export(
    model: Annotated[Path, typer.Argument(help="Directory written by throughtime.save.", show_default=False)],
    *,
    to: Annotated[str, typer.Option(help="Format: onnx.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="File to write.", show_default="MODEL.onnx")] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Write a trained layer or layout as an ONNX file."""
    from throughtime.app.run_directory import check_output_file, model_directory

    if to != "onnx":
        raise InputError(f"--to: expected onnx, got {to!r}")
    file = Path(f"{model.resolve().name}.onnx") if out is None else out
    directory = model_directory(model)
    check_output_file(file, overwrite=overwrite)

    from throughtime.app.jobs.export import run

    run(directory, file, as_json=json)


@command("throughtime bench", "throughtime bench --seconds 1 --json")
def bench(
    *,
    seconds: Annotated[float, typer.Option(help="Seconds for each of the 54 rows.")] = 0.3,
    json: Json = False,
) -> None:
    """Measure the speed of the layers relative to torch.nn, ONNX Runtime and JAX, and print the ratios."""
    from throughtime.app.bench.benchmark import run

    run(seconds=seconds, as_json=json)


def _read(
    data: Path, options: TableOptions, covariates: Covariates | None, future_data: Path | None = None, **sampling: Any
) -> Table:
    """Return the series of a table, followed by the rows that are known in advance."""
    from throughtime.app.tables.table import append_future, read_table

    reading = options.read_options()
    table = read_table(data, options.columns(covariates), reading, **sampling)
    return table if future_data is None else append_future(table, future_data, reading)
