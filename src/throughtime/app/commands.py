"""The verbs of the command line and their options.

What a verb does is imported when it runs, so that help is instant.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from throughtime import __version__
from throughtime._core.errors import InputError
from throughtime.app.cli import Interrupted


class CommandGroup(TyperGroup):
    """The verbs."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb that was asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Interrupted from error


app = typer.Typer(
    cls=CommandGroup,
    help="Recurrent networks, trained through time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def counted(option: typer.CallbackParam, value: int | None) -> int | None:
    """A number of steps, windows or the like, which is 1 or more where it is given.

    Raises:
        InputError: where it is less.
    """
    if value is not None and value < 1:
        raise InputError(f"{option.opts[0]}: expected a whole number of 1 or more, got {value}")
    return value


Data = Annotated[
    Path,
    typer.Argument(help="CSV, Excel or Parquet file, or a folder of Parquet files.", show_default=False),
]
Time = Annotated[
    str | None,
    typer.Option(help="Column of dates or whole numbers; or of their parts: year,month.", show_default="guessed"),
]
Target = Annotated[
    str | None,
    typer.Option(help="Column to forecast; several with commas between them; or all.", show_default="guessed"),
]
Series = Annotated[
    str | None,
    typer.Option(help="Column that tells series apart; several with commas between them.", show_default="guessed"),
]
Decimal = Annotated[str | None, typer.Option(help="Mark before decimals: point or comma.", show_default="by the cells")]
Thousands = Annotated[
    str | None,
    typer.Option(help="Mark between thousands: point, comma, space, apostrophe or none.", show_default="by the cells"),
]
DateForm = Annotated[
    str | None, typer.Option(help="Such as day-first, mm/dd/yyyy, yyyymm.", show_default="by the cells")
]
Encoding = Annotated[str | None, typer.Option(help="Such as cp1252 or utf-16.", show_default="recognised")]
Sheet = Annotated[
    str | None, typer.Option(help="Sheet of an Excel file, by name or number.", show_default="the only one")
]
Layout = Annotated[
    str | None,
    typer.Option(help="long, columns (a series a column) or rows (a series a row).", show_default="recognised"),
]
Future = Annotated[
    str | None, typer.Option(help="Columns known in advance, for rows with an empty target too.", show_default="none")
]
Past = Annotated[str | None, typer.Option(help="Other columns that help to forecast.", show_default="none")]
Static = Annotated[str | None, typer.Option(help="Columns with one value for a series.", show_default="none")]
Holidays = Annotated[str | None, typer.Option(help="Country, such as DE or US-CA.", show_default="none")]
Dates = Annotated[bool, typer.Option("--calendar", help="Know the time of day, of the week, month and year.")]
FutureData = Annotated[
    Path | None, typer.Option(help="Second file with the columns known in advance.", show_default="none")
]
Against = Annotated[
    str | None,
    typer.Option(
        help="Models to stand beside: auto_ets, auto_theta, auto_arima, lightgbm; several with commas between them.",
        show_default="none",
    ),
]
Likelihood = Annotated[
    str | None, typer.Option(help="normal, student_t, or negative_binomial for counts.", show_default="none")
]
Horizon = Annotated[int, typer.Option(callback=counted, help="Steps to forecast.", show_default=False)]
Freq = Annotated[str | None, typer.Option(help="Such as h, 15min, D, MS.", show_default="inferred")]
Ended = Annotated[
    str | None,
    typer.Option(
        help="Series that ended early: forecast from their own end, the common one, or skip.", show_default="own"
    ),
]
Missing = Annotated[str, typer.Option(help="Missing values: mask, ffill or error.")]
Cell = Annotated[str, typer.Option(help="rnn, gru or lstm.")]
Decoder = Annotated[str, typer.Option(help="direct: all steps at once. autoregressive: one fed back into the next.")]
PresetName = Annotated[str, typer.Option(help="Work put into learning: fast, balanced or best.")]
Seed = Annotated[int, typer.Option(help="Makes the run reproducible.")]
Windows = Annotated[int | None, typer.Option(callback=counted, help="Held-out windows.", show_default="at most 5")]
Refit = Annotated[bool, typer.Option("--refit", help="Train anew before each window, not only the first.")]
Out = Annotated[Path | None, typer.Option(help="Directory to write.", show_default="throughtime-DATA")]
Step = Annotated[
    int | None,
    typer.Option(callback=counted, help="Steps from one window to the next.", show_default="the horizon"),
]
BudgetEach = Annotated[str | None, typer.Option(help="Time for each network, such as 90s or 5m.", show_default="none")]
Workers = Annotated[
    str | None,
    typer.Option(help="ray: trainings at once on this machine; or the address of a Ray cluster.", show_default="none"),
]
Sample = Annotated[int, typer.Option(callback=counted, help="Series to learn from where DATA is a folder.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what a former run has written.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


def parts(text: str | None) -> list[str]:
    """The parts of a list that was written with commas."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def told(asked: bool) -> None:
    """Print the version where it is asked for, and nothing else."""
    if asked:
        typer.echo(f"throughtime {__version__}")
        raise typer.Exit


@app.callback()
def verbs(
    version: Annotated[
        bool, typer.Option("--version", callback=told, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Recurrent networks, trained through time."""


@app.command()
def forecast(
    data: Data,
    horizon: Horizon,
    time: Time = None,
    target: Target = None,
    series: Series = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    date_format: DateForm = None,
    encoding: Encoding = None,
    sheet: Sheet = None,
    layout: Layout = None,
    future: Future = None,
    future_data: FutureData = None,
    past: Past = None,
    static: Static = None,
    holidays: Holidays = None,
    calendar: Dates = False,
    freq: Freq = None,
    missing: Missing = "mask",
    cell: Cell = "gru",
    decoder: Decoder = "direct",
    likelihood: Likelihood = None,
    preset: PresetName = "balanced",
    budget: Annotated[
        str | None, typer.Option(help="Time for learning, such as 90s or 5m.", show_default="none")
    ] = None,
    against: Against = None,
    ended: Ended = None,
    sample: Sample = 10_000,
    seed: Seed = 0,
    out: Out = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Forecast a table: train, backtest, write a forecast and a report."""
    from throughtime.app.run_directory import RunDirectory
    from throughtime.app.tables.columns import Columns, named_covariates
    from throughtime.app.tables.read_options import ReadOptions
    from throughtime.app.tables.table import read_table, with_future

    place = RunDirectory.chosen(out, data, overwrite=overwrite)
    covariates = named_covariates(future, past, static, holidays, calendar=calendar)
    columns = Columns(time, target, series, () if covariates is None else covariates.names)
    options = ReadOptions.of(encoding, sheet, decimal, thousands, date_format, layout)
    table = read_table(data, columns, options, sample=sample, seed=seed)
    table = table if future_data is None else with_future(table, future_data, options)
    # Torch comes after the data, so that their faults are told at once.
    from throughtime import Forecaster
    from throughtime.app.jobs.forecast import forecast

    settings = {"cell": cell, "decoder": decoder, "preset": preset, "likelihood": likelihood, "budget": budget}
    settings |= {"freq": freq, "missing": missing, "covariates": covariates, "random_state": seed}
    settings |= {"ended": ended or "own"}
    raise typer.Exit(forecast(table, Forecaster(horizon, **settings), place, against=parts(against), as_json=json))


@app.command()
def backtest(
    data: Data,
    horizon: Horizon,
    windows: Windows = None,
    step: Step = None,
    refit: Refit = False,
    time: Time = None,
    target: Target = None,
    series: Series = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    date_format: DateForm = None,
    encoding: Encoding = None,
    sheet: Sheet = None,
    layout: Layout = None,
    future: Future = None,
    past: Past = None,
    static: Static = None,
    holidays: Holidays = None,
    calendar: Dates = False,
    freq: Freq = None,
    missing: Missing = "mask",
    cell: Cell = "gru",
    decoder: Decoder = "direct",
    likelihood: Likelihood = None,
    preset: PresetName = "balanced",
    against: Against = None,
    workers: Workers = None,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="CSV file for all forecasts.", show_default="none")] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Score forecasts of a table's past next to naive forecasts."""
    from throughtime.app.run_directory import check_output_file
    from throughtime.app.tables.columns import Columns, named_covariates
    from throughtime.app.tables.read_options import ReadOptions
    from throughtime.app.tables.table import read_table

    check_output_file(out, overwrite=overwrite, screen=False)
    covariates = named_covariates(future, past, static, holidays, calendar=calendar)
    columns = Columns(time, target, series, () if covariates is None else covariates.names)
    table = read_table(data, columns, ReadOptions.of(encoding, sheet, decimal, thousands, date_format, layout))
    from throughtime import Forecaster
    from throughtime.app.jobs.backtest import backtest

    settings = {"cell": cell, "decoder": decoder, "preset": preset, "likelihood": likelihood}
    settings |= {"freq": freq, "missing": missing, "covariates": covariates, "random_state": seed}
    options = {"refit": refit, "against": parts(against), "workers": workers, "as_json": json}
    backtest(table, Forecaster(horizon, **settings), windows, step, out, **options)


@app.command()
def compare(
    data: Data,
    horizon: Horizon,
    cell: Annotated[str, typer.Option(help="Cells with commas between them.")] = "rnn,gru,lstm",
    decoder: Annotated[str, typer.Option(help="Decoders likewise: direct, autoregressive.")] = "direct",
    preset: Annotated[str, typer.Option(help="Presets likewise: fast, balanced, best.")] = "balanced",
    seeds: Annotated[int, typer.Option(callback=counted, help="Networks of each kind, with seeds from --seed on.")] = 1,
    windows: Windows = None,
    step: Step = None,
    refit: Refit = False,
    time: Time = None,
    target: Target = None,
    series: Series = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    date_format: DateForm = None,
    encoding: Encoding = None,
    sheet: Sheet = None,
    layout: Layout = None,
    future: Future = None,
    past: Past = None,
    static: Static = None,
    holidays: Holidays = None,
    calendar: Dates = False,
    freq: Freq = None,
    missing: Missing = "mask",
    budget: BudgetEach = None,
    against: Against = None,
    workers: Workers = None,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="CSV file for the leaderboard.", show_default="none")] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Rank networks by backtests over the same windows of a table."""
    from throughtime.app.run_directory import check_output_file
    from throughtime.app.tables.columns import Columns, named_covariates
    from throughtime.app.tables.read_options import ReadOptions
    from throughtime.app.tables.table import read_table

    check_output_file(out, overwrite=overwrite, screen=False)
    covariates = named_covariates(future, past, static, holidays, calendar=calendar)
    columns = Columns(time, target, series, () if covariates is None else covariates.names)
    table = read_table(data, columns, ReadOptions.of(encoding, sheet, decimal, thousands, date_format, layout))
    from throughtime import Forecaster
    from throughtime.app.jobs.compare import forecasters, run

    settings = {"freq": freq, "missing": missing, "covariates": covariates, "budget": budget, "random_state": seed}
    networks = forecasters(Forecaster(horizon, **settings), parts(cell), parts(decoder), parts(preset))
    options = {"refit": refit, "against": parts(against), "workers": workers, "as_json": json}
    run(table, networks, windows, step, out, seeds=seeds, **options)


@app.command()
def tune(
    data: Data,
    horizon: Horizon,
    trials: Annotated[int, typer.Option(callback=counted, help="Settings to try.")] = 20,
    search: Annotated[
        str | None,
        typer.Option(
            help="Settings to vary, with commas: cell, hidden_size, lookback, loss, learning_rate, dropout; decoder.",
            show_default="all of these but the last",
        ),
    ] = None,
    windows: Annotated[
        int | None,
        typer.Option(callback=counted, help="Windows to search with; as many later ones judge.", show_default="1 or 2"),
    ] = None,
    storage: Annotated[
        Path | None,
        typer.Option(help="SQLite file of the trials: a search goes on there.", show_default="OUT.trials.db"),
    ] = None,
    time: Time = None,
    target: Target = None,
    series: Series = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    date_format: DateForm = None,
    encoding: Encoding = None,
    sheet: Sheet = None,
    layout: Layout = None,
    future: Future = None,
    future_data: FutureData = None,
    past: Past = None,
    static: Static = None,
    holidays: Holidays = None,
    calendar: Dates = False,
    freq: Freq = None,
    missing: Missing = "mask",
    cell: Annotated[str, typer.Option(help="To start from: rnn, gru or lstm.")] = "gru",
    decoder: Decoder = "direct",
    likelihood: Likelihood = None,
    preset: PresetName = "balanced",
    budget: BudgetEach = None,
    workers: Workers = None,
    seed: Seed = 0,
    out: Out = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Search for better settings and forecast with the best ones.

    The same command continues the trials of one that was killed.
    """
    from throughtime.app.run_directory import RunDirectory
    from throughtime.app.tables.columns import Columns, named_covariates
    from throughtime.app.tables.read_options import ReadOptions
    from throughtime.app.tables.table import read_table, with_future

    place = RunDirectory.chosen(out, data, overwrite=overwrite)
    covariates = named_covariates(future, past, static, holidays, calendar=calendar)
    columns = Columns(time, target, series, () if covariates is None else covariates.names)
    options = ReadOptions.of(encoding, sheet, decimal, thousands, date_format, layout)
    table = read_table(data, columns, options)
    table = table if future_data is None else with_future(table, future_data, options)
    from throughtime import Forecaster
    from throughtime.app.jobs.tune import Search, run

    settings = {"cell": cell, "decoder": decoder, "preset": preset, "likelihood": likelihood, "budget": budget}
    settings |= {"freq": freq, "missing": missing, "covariates": covariates, "random_state": seed}
    wanted = Search(trials, windows, parts(search), storage, workers)
    run(table, Forecaster(horizon, **settings), wanted, place, as_json=json)


@app.command()
def train(
    task: Annotated[
        str, typer.Argument(help="What to learn: forecast, classify, tag, generate or translate.", show_default=False)
    ],
    data: Annotated[Path, typer.Argument(help="File to learn from: see below.", show_default=False)],
    test: Annotated[Path | None, typer.Option(help="File to judge by.", show_default="a part of DATA")] = None,
    text: Annotated[str | None, typer.Option(help="Column of the texts.", show_default="guessed")] = None,
    label: Annotated[str | None, typer.Option(help="Column of the labels.", show_default="guessed")] = None,
    column: Annotated[str | None, typer.Option(help="CoNLL-U column of the tags.", show_default="upos")] = None,
    horizon: Annotated[
        int | None, typer.Option(callback=counted, help="Steps to forecast.", show_default=False)
    ] = None,
    time: Time = None,
    target: Target = None,
    series: Series = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    date_format: DateForm = None,
    encoding: Encoding = None,
    sheet: Sheet = None,
    layout: Layout = None,
    cell: Annotated[str | None, typer.Option(help="rnn, gru or lstm.", show_default="by task")] = None,
    preset: PresetName = "balanced",
    budget: Annotated[
        str | None, typer.Option(help="Time for learning, such as 90s or 5m.", show_default="none")
    ] = None,
    more: Annotated[
        list[str] | None, typer.Option("--set", help="Any other setting of the estimator, as NAME=VALUE.")
    ] = None,
    seed: Seed = 0,
    out: Out = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Train a model for a task, score it and write a report.

    forecast: a table as for throughtime forecast, which this is with any other setting.
    classify: a TSV, CSV, Parquet or JSON lines file of texts and labels, or a UCR/UEA .ts file.
    tag: a CoNLL or CoNLL-U file.
    generate: a text file, a JSON file of pieces, or a directory of MIDI files.
    translate: lines of a sentence, a tab and its translation.
    """
    from throughtime.app.jobs.tasks import TrainRequest, parse_settings, select_options, task_module
    from throughtime.app.run_directory import RunDirectory
    from throughtime.data.files import check_exists

    check_exists(data)
    place = RunDirectory.chosen(out, data, overwrite=overwrite)
    settings = parse_settings({"cell": cell, "preset": preset, "budget": budget, "random_state": seed}, more or [])
    given = {"text": text, "label": label, "column": column, "horizon": horizon}
    given |= {"time": time, "target": target, "series": series}
    given |= {
        "decimal": decimal,
        "thousands": thousands,
        "date_format": date_format,
        "encoding": encoding,
        "sheet": sheet,
        "layout": layout,
    }
    options = select_options(task, given)
    raise typer.Exit(task_module(task).train(TrainRequest(data, test, options, settings, place, as_json=json)))


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="Directory of a run, or its model/.", show_default=False)],
    data: Data,
    time: Time = None,
    target: Target = None,
    series: Series = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    date_format: DateForm = None,
    encoding: Encoding = None,
    sheet: Sheet = None,
    layout: Layout = None,
    future_data: FutureData = None,
    ended: Ended = None,
    text: Annotated[str | None, typer.Option(help="Column of the texts, to classify.", show_default="guessed")] = None,
    out: Annotated[
        Path, typer.Option(help="File to write, a Parquet file for a folder of tables; - for the screen.")
    ] = Path("-"),
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Forecast, classify, tag or translate with a trained model.

    DATA is a file as for throughtime train; labels and tags may be missing, and lines to translate come alone.
    A forecast follows the rows of DATA and reads no others: give the history too, not the new rows alone.
    """
    from throughtime.app.jobs.tasks import ModelRequest, load_task_module, select_options
    from throughtime.app.run_directory import check_output_file, model_directory
    from throughtime.data.files import check_exists

    directory = model_directory(model)
    check_exists(data)
    check_output_file(out, overwrite=overwrite)
    task, module = load_task_module(directory)
    given = {"time": time, "target": target, "series": series, "future_data": future_data, "text": text}
    given |= {
        "decimal": decimal,
        "thousands": thousands,
        "date_format": date_format,
        "encoding": encoding,
        "sheet": sheet,
        "layout": layout,
        "ended": ended,
    }
    module.predict(ModelRequest(directory, data, select_options(task, given), out, as_json=json))


@app.command()
def explain(
    model: Annotated[Path, typer.Argument(help="Directory of a run, or its model/.", show_default=False)],
    data: Annotated[
        Path | None, typer.Argument(help="CSV or Parquet file to look at.", show_default="training data")
    ] = None,
    time: Time = None,
    target: Target = None,
    series: Series = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    date_format: DateForm = None,
    encoding: Encoding = None,
    sheet: Sheet = None,
    layout: Layout = None,
    season: Annotated[
        int | None,
        typer.Option(callback=counted, help="Values that it should reach back.", show_default="found in training"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Picture to write: .svg, .png or .pdf.", show_default="none")] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Measure how far back gradients reach in a trained network."""
    from throughtime.app.run_directory import check_output_file, model_directory

    directory = model_directory(model)
    check_output_file(out, overwrite=overwrite)
    # Torch comes after the names, so that a wrong one is told at once.
    from throughtime.app.jobs.explain import explain

    columns = {"time": time, "target": target, "series": series}
    columns |= {
        "decimal": decimal,
        "thousands": thousands,
        "date_format": date_format,
        "encoding": encoding,
        "sheet": sheet,
        "layout": layout,
    }
    explain(directory, data, columns, season, out, as_json=json)


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="Directory of a run, or its model/.", show_default=False)],
    data: Annotated[
        Path, typer.Argument(help="File that it has not seen: known classes or tags, later rows.", show_default=False)
    ],
    time: Time = None,
    target: Target = None,
    series: Series = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    date_format: DateForm = None,
    encoding: Encoding = None,
    sheet: Sheet = None,
    layout: Layout = None,
    text: Annotated[str | None, typer.Option(help="Column of the texts.", show_default="guessed")] = None,
    label: Annotated[str | None, typer.Option(help="Column of the labels.", show_default="guessed")] = None,
    column: Annotated[str | None, typer.Option(help="CoNLL-U column of the tags.", show_default="upos")] = None,
    json: Json = False,
) -> None:
    """Score a trained model on data that it was not trained on.

    Of a forecaster the rows after those of its training are scored; the new rows alone are enough.
    """
    from throughtime.app.jobs.tasks import ModelRequest, load_task_module, select_options
    from throughtime.app.run_directory import model_directory
    from throughtime.data.files import check_exists

    directory = model_directory(model)
    check_exists(data)
    task, module = load_task_module(directory)
    given = {"time": time, "target": target, "series": series, "text": text, "label": label, "column": column}
    given |= {
        "decimal": decimal,
        "thousands": thousands,
        "date_format": date_format,
        "encoding": encoding,
        "sheet": sheet,
        "layout": layout,
    }
    module.evaluate(ModelRequest(directory, data, select_options(task, given), as_json=json))


@app.command()
def generate(
    model: Annotated[Path, typer.Argument(help="Directory of a run, or its model/.", show_default=False)],
    prompt: Annotated[
        str | None, typer.Option(help="Text, or notes such as '60' or '60,64 62'.", show_default="none")
    ] = None,
    length: Annotated[
        int, typer.Option(callback=counted, help="Steps: characters, bytes, words, or steps of music.")
    ] = 200,
    temperature: Annotated[float, typer.Option(help="Below 1 more cautious, above 1 more surprising.")] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Only the k likeliest.", show_default="all")] = None,
    top_p: Annotated[float | None, typer.Option(help="Only the likeliest up to this probability.")] = None,
    seed: Annotated[int | None, typer.Option(help="Makes it reproducible.", show_default="chance")] = None,
    out: Annotated[Path, typer.Option(help="File: .txt; .mid, .png, .json for music; - for the screen.")] = Path("-"),
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Generate text or music with a trained model."""
    from throughtime.app.run_directory import check_output_file, model_directory

    directory = model_directory(model)
    check_output_file(out, overwrite=overwrite)
    from throughtime.app.jobs.generate import SampleRequest, generate

    generate(directory, SampleRequest(prompt, length, temperature, top_k, top_p, seed), out, as_json=json)


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="Directory that throughtime.save has written.", show_default=False)],
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
    from throughtime.app.jobs.export import export

    export(directory, file, as_json=json)


@app.command()
def bench(
    seconds: Annotated[float, typer.Option(help="For each of the 54 rows.")] = 0.3,
    json: Json = False,
) -> None:
    """Time the layers against torch.nn, ONNX Runtime and JAX."""
    from throughtime.app.bench.benchmark import bench

    bench(seconds=seconds, as_json=json)
