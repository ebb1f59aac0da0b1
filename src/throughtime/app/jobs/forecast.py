"""`throughtime forecast`: from a table to a trained network, a backtest, a forecast and a report."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from throughtime import runtime
from throughtime._core.errors import InputError
from throughtime.app.console import ConsoleOutput, ProgressRelay
from throughtime.app.jobs.forecast_logging import predict_and_log
from throughtime.app.jobs.runner import Outcome, Training, fit_estimator, run_training
from throughtime.app.jobs.setting_errors import located_errors
from throughtime.app.jobs.totals import forecast_totals
from throughtime.app.output import command_line, csv_file, finite, frame_file, hide_password, text_file
from throughtime.app.report.forecast import forecaster_page
from throughtime.app.report.forecast_run import ForecastRun
from throughtime.app.scores import describe_measures, recorded_series, series_records
from throughtime.app.tables.results import write_table
from throughtime.app.tables.series_names import add_series_columns
from throughtime.app.tables.table_words import format_table, to_table_words
from throughtime.data.series.frames import read_frame
from throughtime.tasks.background import in_background
from throughtime.tasks.forecasting.evaluation.backtest import check_backtest_length
from throughtime.tasks.forecasting.evaluation.external_models import check_external_models

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from throughtime import Forecaster
    from throughtime.app.output import FileWriter
    from throughtime.app.run_directory import RunDirectory
    from throughtime.app.tables.table import Table
    from throughtime.tasks.forecasting import Backtest
    from throughtime.training import Progress

TABLE, TOTALS = "table.csv", "totals.csv"
"""Files of the forecast in the words of the data, and of its totals."""

_JSON_METHODS = ("throughtime", "naive", "seasonal_naive")


def run(
    table: Table,
    forecaster: Forecaster,
    directory: RunDirectory,
    *,
    against: Sequence[str] = (),
    to: str | None = None,
    overwrite: bool = False,
    as_json: bool = False,
) -> int:
    """Run the command with a forecaster that is not fitted, and return the exit code: 0, or 130 after Ctrl-C.

    Raises:
        InputError: for data and settings that cannot be used.
    """
    if to is not None and table.source is not None:
        raise InputError(f"--to does not apply to {table.path}, a folder, whose forecast is a Parquet file")
    code = run_training(
        lambda console: prepare(table, forecaster, console, against=against), directory, as_json=as_json
    )
    if to is not None:
        write_table(to_table_words(forecaster.predict(), table.format), to, table.format, overwrite=overwrite)
        ConsoleOutput().say(f"Forecast: {hide_password(to)}")
    return code


def prepare(table: Table, forecaster: Forecaster, console: ConsoleOutput, *, against: Sequence[str] = ()) -> Training:
    """Check the data, and return the steps of the training.

    Raises:
        InputError: for data and settings that cannot be used.
    """
    console.say(*table.notes)
    check_data(table, forecaster)
    with located_errors():
        check_external_models(against)
    settings = setting_names(forecaster)

    backtest: Backtest

    def fit() -> None:
        nonlocal backtest
        progress = ProgressRelay()

        def run_backtest(check: Callable[[Progress], None]) -> Backtest:
            return forecaster.backtest(table.frame, against=against, callbacks=[check, progress])

        with in_background(run_backtest, when=forecaster.budget is None) as wait:
            fit_estimator(forecaster, [table.frame], table.path, console, settings)
            with located_errors(table.path, settings), console.progress("Backtest") as progress.callback:
                backtest = wait()

    def evaluate() -> Outcome:
        page = ForecastRun(forecaster, backtest, table, forecaster.get_params(), command_line())

        def show(console: ConsoleOutput) -> None:
            console.scores(backtest)
            console.series_scores(backtest)
            console.show(describe_measures(backtest, ", ".join(table.format.targets)))
            console.show(page.verdict, style="bold")

        files = {"report.html": text_file(forecaster_page(page)), "scores.csv": scores_file(backtest)}
        return Outcome(files, _result(page), show)

    def save(directory: Path) -> None:
        save_forecaster(forecaster, table, directory, console)

    return Training(
        fit=fit,
        is_fitted=forecaster.__sklearn_is_fitted__,
        evaluate=evaluate,
        save=save,
        results=result_files(table),
        record=run_record(table, forecaster),
        kept="the best model so far and its forecast are",
    )


def save_forecaster(forecaster: Forecaster, table: Table, directory: Path, console: ConsoleOutput) -> None:
    """Write a forecaster, and its forecast of all series, also of those of a folder that were not in the sample."""
    forecaster.table_format_ = table.format.to_json()
    path = directory / table.forecast
    if table.source is None:
        forecaster.save(directory / "model")
        # By the runtime, as `predict` forecasts: torch rounds differently in the last digits of 32 bits.
        forecast = predict_and_log(runtime.load(directory / "model"), directory / "model")
        frame_file(add_series_columns(forecast, table.format))(path)
        totals = forecast_totals(forecaster, forecast, table.format, table.groups)
        for name, frame in {TABLE: to_table_words(forecast, table.format), TOTALS: totals}.items():
            text_file(format_table(frame, table.format))(directory / name)
        return
    forecaster.save(directory / "model")
    with console.counting("Forecast", len(table.source)) as on_progress:
        forecaster.predict_parquet(table.source, path, on_progress=on_progress)


def check_data(table: Table, forecaster: Forecaster) -> None:
    """Check before the training that the series are long enough, and that the known columns reach far enough.

    Raises:
        InputError: for data and settings that cannot be used.
    """
    with located_errors(table.path, setting_names(forecaster)):
        forecaster.check_params()
        options = {name: getattr(forecaster, name) for name in ("freq", "missing", "covariates")}
        panel, _ = read_frame(table.frame, **options)
        panel.check_known_future(forecaster.horizon)
        check_backtest_length(panel, forecaster.horizon)


def setting_names(forecaster: Forecaster) -> set[str]:
    """Return the settings of a forecaster and its backtest that options set; errors on others are about the data."""
    return {*forecaster.get_params(), "workers", "n_windows", "step_size"} - {"covariates"}


def result_files(table: Table) -> dict[str, str]:
    """Return the files that the result of a forecast names."""
    words = {} if table.source is not None else {"table": TABLE, "totals": TOTALS}
    return {"model": "model", "forecast": table.forecast, **words, "scores": "scores.csv", "report": "report.html"}


def run_record(table: Table, forecaster: Forecaster) -> dict[str, Any]:
    """Return what the record of a run holds of its request; `predict` finds the columns of old models there."""
    return {
        "data": str(table.path),
        "columns": asdict(table.columns),
        "settings": forecaster.get_params(),
    }


def scores_file(backtest: Backtest) -> FileWriter:
    """Return the writer of the scores of each series, the worst first."""
    records = [finite(record) for record in series_records(backtest)]
    return csv_file([*records[0]], [[*record.values()] for record in records])


def _result(run: ForecastRun) -> dict[str, Any]:
    table, forecaster, backtest = run.table, run.forecaster, run.backtest
    scores = {name: backtest.scores[name] for name in _JSON_METHODS}
    shares = {"network_shares": backtest.weights, "coverage": {str(k): v for k, v in backtest.coverage.items()}}
    return {
        "series": len(forecaster.series_) if table.source is None else len(table.source),
        "horizon": forecaster.horizon,
        "network_share": forecaster.model_.calibration.weight,
        "backtest": {"windows": backtest.windows, "headline": backtest.headline, **scores, **shares},
        "by_series": recorded_series(backtest),
        "verdict": run.verdict,
    }
