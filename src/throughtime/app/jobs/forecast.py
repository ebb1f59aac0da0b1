"""`throughtime forecast`: from a table to a trained network, a backtest, a forecast and a report."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from throughtime.app.jobs.forecast_logging import predict_and_log
from throughtime.app.jobs.runner import Outcome, Training, fit_estimator, run_training
from throughtime.app.jobs.setting_errors import located_errors
from throughtime.app.output import command_line, frame_file, text_file
from throughtime.app.report.forecast import forecaster_page
from throughtime.app.report.forecast_run import ForecastRun
from throughtime.app.tables.series_names import add_series_columns
from throughtime.data.series.frames import read_frame
from throughtime.tasks.forecasting.evaluation.backtest import check_backtest_length
from throughtime.tasks.forecasting.evaluation.external_models import check_external_models

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from throughtime import Forecaster
    from throughtime.app.console import ConsoleOutput
    from throughtime.app.run_directory import RunDirectory
    from throughtime.app.tables.table import Table
    from throughtime.tasks.forecasting import Backtest

_JSON_METHODS = ("throughtime", "naive", "seasonal_naive")


def run(
    table: Table,
    forecaster: Forecaster,
    directory: RunDirectory,
    *,
    against: Sequence[str] = (),
    as_json: bool = False,
) -> int:
    """Run the command with a forecaster that is not fitted, and return the exit code: 0, or 130 after Ctrl-C.

    Raises:
        InputError: for data and settings that cannot be used.
    """
    return run_training(
        lambda console: prepare(table, forecaster, console, against=against), directory, as_json=as_json
    )


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

    def evaluate() -> Outcome:
        with located_errors(table.path, settings), console.progress("Backtest") as callback:
            backtest = forecaster.backtest(against=against, callbacks=[callback])
        page = ForecastRun(forecaster, backtest, table, forecaster.get_params(), command_line())

        def show(console: ConsoleOutput) -> None:
            console.scores(backtest, forecaster.cell)
            console.show(backtest.verdict, style="bold")

        return Outcome({"report.html": text_file(forecaster_page(page))}, _result(table, forecaster, backtest), show)

    def save(directory: Path) -> None:
        save_forecaster(forecaster, table, directory, console)

    return Training(
        fit=lambda: fit_estimator(forecaster, [table.frame], table.path, console, settings),
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
        frame = predict_and_log(forecaster)
        forecaster.save(directory / "model")
        frame_file(add_series_columns(frame, table.format))(path)
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
    return {"model": "model", "forecast": table.forecast, "report": "report.html"}


def run_record(table: Table, forecaster: Forecaster) -> dict[str, Any]:
    """Return what the record of a run holds of its request; `predict` finds the columns of old models there."""
    return {
        "data": str(table.path),
        "columns": asdict(table.columns),
        "settings": forecaster.get_params(),
    }


def _result(table: Table, forecaster: Forecaster, backtest: Backtest) -> dict[str, Any]:
    return {
        "series": len(forecaster.series_) if table.source is None else len(table.source),
        "horizon": forecaster.horizon,
        "backtest": {"windows": backtest.windows, **{name: backtest.scores[name] for name in _JSON_METHODS}},
        "verdict": backtest.verdict,
    }
