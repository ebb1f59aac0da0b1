"""Commands that train a model for a task, and commands that use a trained one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from throughtime.app.command_group import command
from throughtime.app.options import (
    CELL_HELP,
    Budget,
    Ended,
    FutureData,
    Json,
    Label,
    Model,
    Overwrite,
    RunOptions,
    TableOptions,
    TagColumn,
    Text,
    positive_int,
)


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
    cell: Annotated[str | None, typer.Option(help=CELL_HELP, show_default="by task")] = None,
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
    data: Annotated[
        Path | None,
        typer.Argument(help="CSV or Parquet file.", show_default="training data; for a network random numbers"),
    ] = None,
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
    "throughtime export layer --to c --weights int8 --out firmware/layer.c",
)
def export(
    model: Model,
    *,
    to: Annotated[str, typer.Option(help="Format: onnx or c.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="What to write.", show_default="named after MODEL")] = None,
    weights: Annotated[str, typer.Option(help="How C stores them: float32 or int8.")] = "float32",
    data: Annotated[
        Path | None, typer.Option(help="Inputs on which errors of int8 weights are measured.", show_default="random")
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Write a trained model for other runtimes."""
    from throughtime.app.jobs.export import ExportRequest, format_module
    from throughtime.app.run_directory import model_directory

    directory = model_directory(model)
    module = format_module(to, weights, data)
    module.run(ExportRequest(directory, model.resolve().name, out, overwrite, json, weights, data))
