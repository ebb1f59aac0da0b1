"""The verbs of the command line and their options.

What a verb does is imported when it runs, so that help is instant.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Recurrent networks, trained through time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Data = Annotated[Path, typer.Argument(help="CSV or Parquet file, one series or many.", show_default=False)]
Time = Annotated[str | None, typer.Option(help="Column of dates, or of whole numbers.", show_default="guessed")]
Target = Annotated[str | None, typer.Option(help="Column to forecast.", show_default="guessed")]
Series = Annotated[str | None, typer.Option(help="Column that tells series apart.", show_default="guessed")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what a former run has written.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


@app.callback()
def verbs() -> None:
    """Recurrent networks, trained through time."""


@app.command()
def forecast(
    data: Data,
    horizon: Annotated[int, typer.Option(help="Steps to forecast.", show_default=False)],
    time: Time = None,
    target: Target = None,
    series: Series = None,
    freq: Annotated[str | None, typer.Option(help="Such as h, 15min, D, MS.", show_default="inferred")] = None,
    missing: Annotated[str, typer.Option(help="Missing values: mask, ffill or error.")] = "mask",
    cell: Annotated[str, typer.Option(help="rnn, gru or lstm.")] = "gru",
    preset: Annotated[str, typer.Option(help="Work put into learning: fast, balanced or best.")] = "balanced",
    budget: Annotated[
        str | None, typer.Option(help="Time for learning, such as 90s or 5m.", show_default="none")
    ] = None,
    seed: Annotated[int, typer.Option(help="Makes the run reproducible.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Directory to write.", show_default="throughtime-DATA")] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Train a network on a table, backtest it, forecast, and write a report."""
    from throughtime.app.columns import Columns
    from throughtime.app.places import Place
    from throughtime.app.tables import read_table

    place = Place.chosen(out, data, overwrite=overwrite)
    table = read_table(data, Columns(time, target, series))
    # Torch comes after the data, so that their faults are told at once.
    from throughtime.app.forecast import Settings, forecast

    settings = Settings(horizon, cell, preset, freq, missing, budget, random_state=seed)
    raise typer.Exit(forecast(table, settings, place, as_json=json))


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="Directory of a run, or its model/.", show_default=False)],
    data: Data,
    time: Time = None,
    target: Target = None,
    series: Series = None,
    out: Annotated[Path, typer.Option(help="CSV file to write; - for the screen.")] = Path("-"),
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Forecast what follows fresh rows, with a model that was trained before."""
    from throughtime.app.columns import Columns
    from throughtime.app.predict import predict

    predict(model, data, Columns(time, target, series), out, overwrite=overwrite, as_json=json)


@app.command()
def generate(
    model: Annotated[Path, typer.Argument(help="Directory of a run, or its model/.", show_default=False)],
    prompt: Annotated[
        str | None, typer.Option(help="Text, or notes such as '60' or '60,64 62'.", show_default="none")
    ] = None,
    length: Annotated[int, typer.Option(help="Steps: characters, bytes, words, or steps of music.")] = 200,
    temperature: Annotated[float, typer.Option(help="Below 1 bolder, above 1 more surprising.")] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Only the k likeliest.", show_default="all")] = None,
    top_p: Annotated[float | None, typer.Option(help="Only the likeliest up to this probability.")] = None,
    seed: Annotated[int | None, typer.Option(help="Makes it reproducible.", show_default="chance")] = None,
    out: Annotated[Path, typer.Option(help="File: .txt; .mid, .png, .json for music; - for the screen.")] = Path("-"),
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Write new text or music, with a model that was trained before."""
    from throughtime.app.generate import Wish, generate

    generate(model, Wish(prompt, length, temperature, top_k, top_p, seed), out, overwrite=overwrite, as_json=json)


@app.command()
def bench(
    seconds: Annotated[float, typer.Option(help="For each of the 54 rows.")] = 0.3,
    json: Json = False,
) -> None:
    """Measure this machine: the layers beside torch.nn's."""
    from throughtime.app.bench import bench

    bench(seconds=seconds, as_json=json)
