"""Commands that train forecasting networks on a table.

Tables are read before torch is imported, so that errors in the data appear at once.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer evaluates the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from throughtime.app.command_group import command
from throughtime.app.layer_names import layer_names
from throughtime.app.options import (
    Against,
    Budget,
    BudgetEach,
    CovariateOptions,
    Data,
    Ended,
    FutureData,
    Group,
    Horizon,
    Json,
    NetworkOptions,
    Overwrite,
    RunOptions,
    SeriesOptions,
    TableOptions,
    To,
    WindowOptions,
    Workers,
    positive_int,
    split_list,
)

if TYPE_CHECKING:
    from throughtime.app.tables.table import Table
    from throughtime.data.series.covariates import Covariates


@command(
    "throughtime forecast sales.csv --horizon 12",
    "throughtime forecast shops.parquet --horizon 7 --future price --holidays DE",
)
def forecast(
    data: Data = None,
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
    group: Group = None,
    to: To = None,
    sample: Annotated[
        int, typer.Option(callback=positive_int, help="Series to train on if DATA is a folder.")
    ] = 10_000,
    run: RunOptions,
) -> None:
    """Train a network on a table and write a forecast, a backtest and a report."""
    from throughtime.app.run_directory import RunDirectory
    from throughtime.app.tables.results import check_target

    data = table.source(data)
    check_target(to, overwrite=run.overwrite)
    directory = RunDirectory.choose(run.out, data, overwrite=run.overwrite)
    covariates = covariate_options.covariates()
    groups = split_list(group)
    rows = _read(data, table, covariates, future_data, sample=sample, seed=series.seed, groups=groups)

    from throughtime import Forecaster
    from throughtime.app.jobs.forecast import run as run_forecast

    settings = series.settings(covariates) | network.settings() | {"budget": budget, "ended": ended or "own"}
    forecaster = Forecaster(horizon, **settings)
    options = {"against": split_list(against), "to": to, "overwrite": run.overwrite}
    raise typer.Exit(run_forecast(rows, forecaster, directory, as_json=run.json, **options))


@command(
    "throughtime backtest sales.csv --horizon 12",
    "throughtime backtest sales.csv --horizon 12 --against auto_ets,lightgbm",
)
def backtest(
    data: Data = None,
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
    rows = _read(table.source(data), table, covariates)

    from throughtime import Forecaster
    from throughtime.app.jobs.backtest import run

    forecaster = Forecaster(horizon, **series.settings(covariates), **network.settings())
    run(rows, forecaster, held_out, out, as_json=json)


@command(
    "throughtime compare sales.csv --horizon 12",
    "throughtime compare sales.csv --horizon 12 --seeds 3 --out board.csv",
)
def compare(
    data: Data = None,
    *,
    horizon: Horizon,
    cell: Annotated[
        str, typer.Option(help=f"Cells, comma-separated: {', '.join(layer_names())}.", show_default="all")
    ] = ",".join(layer_names()),
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
    rows = _read(table.source(data), table, covariates)

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
    data: Data = None,
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

    data = table.source(data)
    directory = RunDirectory.choose(run.out, data, overwrite=run.overwrite)
    covariates = covariate_options.covariates()
    rows = _read(data, table, covariates, future_data)

    from throughtime import Forecaster
    from throughtime.app.jobs.tune import Search
    from throughtime.app.jobs.tune import run as run_search

    forecaster = Forecaster(horizon, **series.settings(covariates), **network.settings(), budget=budget)
    request = Search(trials, windows, split_list(search), storage, workers)
    raise typer.Exit(run_search(rows, forecaster, request, directory, as_json=run.json))


def _read(
    data: Path,
    options: TableOptions,
    covariates: Covariates | None,
    future_data: Path | None = None,
    **reading_options: Any,
) -> Table:
    """Return the series of a table, followed by the rows that are known in advance."""
    from throughtime.app.tables.table import append_future, read_table

    reading = options.read_options()
    table = read_table(data, options.columns(covariates), reading, **reading_options)
    return table if future_data is None else append_future(table, future_data, reading)
