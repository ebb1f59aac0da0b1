"""`throughtime forecast`: from a table to a trained network, an honest backtest, a forecast and a report."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from throughtime import __version__
from throughtime._core.errors import InputError
from throughtime.app import report
from throughtime.app.console import ConsoleOutput
from throughtime.app.output import INTERRUPTED, command, name_option, plain, print_json
from throughtime.app.run_directory import RUN, RunDirectory
from throughtime.app.tables.table import Table, with_series_columns, write_csv
from throughtime.data.series.frames import read_frame
from throughtime.tasks.forecasting.evaluation.backtest import check_backtest_length
from throughtime.tasks.forecasting.evaluation.external_models import check_external_models

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from throughtime import Forecaster
    from throughtime.tasks.forecasting import Backtest

_JSON_METHODS = ("throughtime", "naive", "seasonal_naive")


def forecast(
    table: Table, forecaster: Forecaster, place: RunDirectory, *, against: Sequence[str] = (), as_json: bool = False
) -> int:
    """Run the job with a forecaster that has learned nothing yet. Returns the exit code: 0, or 130 after Ctrl-C.

    Raises:
        InputError: for whatever a user can mend.
    """
    started = time.monotonic()
    screen = ConsoleOutput()
    screen.say(*table.notes)
    check_data(table, forecaster)
    check_against(against)
    with place.building() as directory:
        backtest = _learn(forecaster, table, screen, against)
        forecaster.table_format_ = table.format.to_json()
        forecaster.save(directory / "model")
        write_forecast(forecaster, table, directory, screen)
        result = {}
        if backtest is not None:
            run = report.Run(forecaster, backtest, table, settings=forecaster.get_params(), command=command())
            (directory / "report.html").write_text(report.page(run), encoding="utf-8")
            result = _result(table, forecaster, backtest, time.monotonic() - started)
        describe(directory, table, forecaster, result)
    result = place.located(result)
    if backtest is None:
        screen.say(f"Interrupted: the best model so far and its forecast are in {place.path}.")
        return INTERRUPTED
    if as_json:
        print_json(result)
        return 0
    screen.scores(backtest, forecaster.cell)
    screen.show(backtest.verdict, style="bold")
    screen.show(f"\nForecast  {result['forecast']}\nModel     {result['model']}\nReport    {result['report']}")
    return 0


def _learn(forecaster: Forecaster, table: Table, screen: ConsoleOutput, against: Sequence[str]) -> Backtest | None:
    """Fit first, so that there is a model as soon as possible, then look how such a one would have done.

    Returns:
        The backtest; None after Ctrl-C, where a model is there.
    """
    try:
        with screen.progress("Learning") as callback:
            forecaster.fit(table.frame, callbacks=[callback])
        screen.say(*forecaster.notes_)
        with screen.progress("Backtest") as callback:
            return forecaster.backtest(against=against, callbacks=[callback])
    except InputError as error:
        raise InputError(locate_error(str(error), table, forecaster)) from error
    except KeyboardInterrupt:
        if not forecaster.__sklearn_is_fitted__():
            raise
        return None


def write_forecast(forecaster: Forecaster, table: Table, directory: Path, screen: ConsoleOutput) -> None:
    """Write the forecast of all series, also of those of a folder that were not learned from."""
    path = directory / table.forecast
    if table.source is None:
        write_csv(with_series_columns(forecaster.predict(), table.format), path)
        return
    with screen.counting("Forecast", len(table.source)) as on_progress:
        forecaster.predict_parquet(table.source, path, on_progress=on_progress)


def check_data(table: Table, forecaster: Forecaster) -> None:
    """See before anything is learned that series are long enough, and that what is known in advance reaches far enough.

    Raises:
        InputError: where they are not, and for data that cannot be used.
    """
    try:
        forecaster.check_params()
        options = {name: getattr(forecaster, name) for name in ("freq", "missing", "covariates")}
        panel, _ = read_frame(table.frame, **options)
        panel.check_known_future(forecaster.horizon)
        check_backtest_length(panel, forecaster.horizon)
    except InputError as error:
        raise InputError(locate_error(str(error), table, forecaster)) from error


def check_against(names: Sequence[str]) -> None:
    """See that the models of other libraries are known and installed, before anything is learned.

    Raises:
        InputError: where one is not.
    """
    try:
        check_external_models(names)
    except InputError as error:
        raise InputError(name_option(str(error))) from error


def locate_error(sentence: str, table: Table, forecaster: Forecaster) -> str:
    """What the forecaster complains about is an option of the command line, or else the data."""
    options = forecaster.get_params().keys() - {"covariates"} | {"workers", "n_windows", "step_size"}
    return name_option(sentence) if sentence.partition(":")[0] in options else f"{table.path}: {sentence}"


def _result(table: Table, forecaster: Forecaster, backtest: Backtest, seconds: float) -> dict[str, Any]:
    scores = {name: plain(backtest.scores[name]) for name in _JSON_METHODS}
    return {
        "model": "model",
        "forecast": table.forecast,
        "report": "report.html",
        "series": len(forecaster.series_) if table.source is None else len(table.source),
        "horizon": forecaster.horizon,
        "backtest": {"windows": backtest.windows, **scores},
        "verdict": backtest.verdict,
        "seconds": round(seconds, 2),
    }


def describe(directory: Path, table: Table, forecaster: Forecaster, result: dict[str, Any]) -> None:
    """Note how the run was made: `predict` finds the columns here, and `--overwrite` knows the directory by it."""
    run = {
        "throughtime": __version__,
        "command": command(),
        "data": str(table.path),
        "columns": asdict(table.columns),
        "settings": forecaster.get_params(),
        "result": result,
    }
    (directory / RUN).write_text(json.dumps(run, indent=1, ensure_ascii=False, default=asdict) + "\n", encoding="utf-8")
