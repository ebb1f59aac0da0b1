"""Commands that keep a forecaster going: learn from later rows, and compare its forecasts with what came."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from throughtime._core.errors import InputError
from throughtime.app.command_group import command
from throughtime.app.options import Budget, Json, Model, Overwrite, TableOptions  # noqa: TC001 - Typer evaluates them

Later = Annotated[
    Path,
    typer.Argument(help="Table with later rows, alone or with those of the training.", show_default=False),
]


@command(
    "throughtime update throughtime-sales sales.csv",
    "throughtime update throughtime-sales sales.csv --budget 30s --out updated",
)
def update(
    model: Model,
    data: Later,
    *,
    table: TableOptions,
    budget: Budget = None,
    out: Annotated[Path | None, typer.Option(help="Directory to write.", show_default="MODEL")] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Continue the training of a forecaster with later rows and replace its model."""
    directory, options = _forecaster(model, data, table)

    from throughtime.app.jobs.requests import ModelRequest
    from throughtime.app.jobs.update import run

    run(ModelRequest(directory, data, options, out, as_json=json), budget, overwrite=overwrite)


@command(
    "throughtime monitor throughtime-sales sales.csv",
    "throughtime monitor throughtime-sales sales.csv --json --out due.csv",
)
def monitor(
    model: Model,
    data: Later,
    *,
    table: TableOptions,
    false_alarms: Annotated[
        float, typer.Option(help="Probability of a false alarm within 52 forecasts, at most.")
    ] = 0.01,
    out: Annotated[
        Path | None, typer.Option(help="CSV file of the forecasts and what came.", show_default="none")
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Compare the forecasts of a model with what came and exit with 3 if they drift."""
    from throughtime.app.run_directory import check_output_file

    check_output_file(out, overwrite=overwrite, allow_stdout=False)
    directory, options = _forecaster(model, data, table)

    from throughtime.app.jobs.monitor import run
    from throughtime.app.jobs.requests import ModelRequest

    raise typer.Exit(run(ModelRequest(directory, data, options, out, as_json=json), false_alarms))


def _forecaster(model: Path, data: Path, table: TableOptions) -> tuple[Path, dict[str, object]]:
    """Return the directory of a forecaster, and the options that are set.

    Raises:
        InputError: for a directory without a forecaster.
    """
    from throughtime.app.jobs import tasks
    from throughtime.app.run_directory import model_directory
    from throughtime.data.files import check_exists

    directory = model_directory(model)
    check_exists(data)
    task = tasks.read_task(directory)
    if task != "forecast":
        raise InputError(f"{model}: expected a model for forecast, got {task or 'none'!r}")
    return directory, tasks.select_options(task, table.as_dict())
