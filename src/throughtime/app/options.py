"""Options that several commands share, as types of parameters and as dataclasses of options that go together."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from throughtime._core.errors import InputError
from throughtime.app.layer_names import layer_names

if TYPE_CHECKING:
    from throughtime.app.tables.column_selection import Columns
    from throughtime.app.tables.read_options import ReadOptions
    from throughtime.data.series.covariates import Covariates


def positive_int(option: typer.CallbackParam, value: int | None) -> int | None:
    """Return the value of an option that counts something.

    Raises:
        InputError: if it is less than 1.
    """
    if value is not None and value < 1:
        raise InputError(f"{option.opts[0]}: expected a whole number of 1 or more, got {value}")
    return value


def split_list(text: str | None) -> list[str]:
    """Return the items of a comma-separated list.

    >>> split_list("rnn, gru")
    ['rnn', 'gru']
    """
    return [item.strip() for item in (text or "").split(",") if item.strip()]


Data = Annotated[
    Path,
    typer.Argument(help="CSV, Excel or Parquet file, or a folder of Parquet files.", show_default=False),
]
Model = Annotated[Path, typer.Argument(help="Directory of a run, or its model/.", show_default=False)]
Horizon = Annotated[int, typer.Option(callback=positive_int, help="Steps to forecast.", show_default=False)]
FutureData = Annotated[
    Path | None, typer.Option(help="Second file with the columns known in advance.", show_default="none")
]
Text = Annotated[str | None, typer.Option(help="Column of the texts.", show_default="guessed")]
Label = Annotated[str | None, typer.Option(help="Column of the labels.", show_default="guessed")]
TagColumn = Annotated[str | None, typer.Option(help="CoNLL-U column of the tags.", show_default="upos")]
Ended = Annotated[
    str | None,
    typer.Option(
        help="Series that ended early: forecast from their own end, from the common one, or skip.", show_default="own"
    ),
]
Budget = Annotated[str | None, typer.Option(help="Training time, such as 90s or 5m.", show_default="none")]
BudgetEach = Annotated[
    str | None, typer.Option(help="Training time of each network, such as 90s or 5m.", show_default="none")
]
Against = Annotated[
    str | None,
    typer.Option(
        help="Models to compare with, comma-separated: auto_ets, auto_theta, auto_arima, lightgbm.",
        show_default="none",
    ),
]
Workers = Annotated[
    str | None,
    typer.Option(help="ray: parallel trainings on this machine; or the address of a Ray cluster.", show_default="none"),
]
CELL_HELP = f"Cell: {', '.join(layer_names())}."
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output of an earlier run.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


@dataclass(frozen=True)
class TableOptions:
    """Which columns of a table are read, and how its file is written."""

    time: Annotated[
        str | None,
        typer.Option(help="Column of dates or whole numbers; or of their parts: year,month.", show_default="guessed"),
    ] = None
    target: Annotated[
        str | None,
        typer.Option(help="Column to forecast; several, comma-separated; or all.", show_default="guessed"),
    ] = None
    series: Annotated[
        str | None,
        typer.Option(help="Column that identifies the series; several, comma-separated.", show_default="guessed"),
    ] = None
    decimal: Annotated[
        str | None, typer.Option(help="Decimal mark: point or comma.", show_default="inferred from the cells")
    ] = None
    thousands: Annotated[
        str | None,
        typer.Option(
            help="Thousands separator: point, comma, space, apostrophe or none.", show_default="inferred from the cells"
        ),
    ] = None
    date_format: Annotated[
        str | None,
        typer.Option(
            help="Date format, such as day-first, mm/dd/yyyy or yyyymm.", show_default="inferred from the cells"
        ),
    ] = None
    encoding: Annotated[
        str | None, typer.Option(help="Text encoding, such as cp1252 or utf-16.", show_default="detected")
    ] = None
    sheet: Annotated[
        str | None, typer.Option(help="Sheet of an Excel file, by name or number.", show_default="the only one")
    ] = None
    layout: Annotated[
        str | None,
        typer.Option(help="long, columns (one series a column) or rows (one series a row).", show_default="detected"),
    ] = None

    def columns(self, covariates: Covariates | None) -> Columns:
        """Return the columns to read."""
        from throughtime.app.tables.column_selection import Columns

        return Columns(self.time, self.target, self.series, () if covariates is None else covariates.names)

    def read_options(self) -> ReadOptions:
        """Return how the file is read.

        Raises:
            InputError: for an unknown word.
        """
        from throughtime.app.tables.read_options import ReadOptions

        return ReadOptions.of(self.encoding, self.sheet, self.decimal, self.thousands, self.date_format, self.layout)

    def as_dict(self) -> dict[str, Any]:
        """Return the options by name."""
        return asdict(self)


@dataclass(frozen=True)
class CovariateOptions:
    """Columns that help to forecast."""

    future: Annotated[
        str | None,
        typer.Option(help="Columns known in advance, also in rows with an empty target.", show_default="none"),
    ] = None
    past: Annotated[str | None, typer.Option(help="Other columns that help to forecast.", show_default="none")] = None
    static: Annotated[str | None, typer.Option(help="Columns with one value for each series.", show_default="none")] = (
        None
    )
    holidays: Annotated[
        str | None, typer.Option(help="Country of the holidays, such as DE or US-CA.", show_default="none")
    ] = None
    calendar: Annotated[
        bool, typer.Option("--calendar", help="Use the time of day, the day of the week, the month and the year.")
    ] = False

    def covariates(self) -> Covariates | None:
        """Return the covariates; None for none.

        Raises:
            InputError: for a column that is named twice, and for an unknown country.
        """
        from throughtime.app.tables.column_selection import parse_covariates

        return parse_covariates(self.future, self.past, self.static, self.holidays, calendar=self.calendar)


@dataclass(frozen=True)
class SeriesOptions:
    """How the series are read, and the seed."""

    freq: Annotated[str | None, typer.Option(help="Frequency, such as h, 15min, D or MS.", show_default="inferred")] = (
        None
    )
    missing: Annotated[str, typer.Option(help="Missing values: mask, ffill or error.")] = "mask"
    seed: Annotated[int, typer.Option(help="Random seed; the same one repeats the run.")] = 0

    def settings(self, covariates: Covariates | None) -> dict[str, Any]:
        """Return settings of a forecaster."""
        return {"freq": self.freq, "missing": self.missing, "covariates": covariates, "random_state": self.seed}


@dataclass(frozen=True)
class NetworkOptions:
    """What network is trained, and how long."""

    cell: Annotated[str, typer.Option(help=CELL_HELP)] = "gru"
    decoder: Annotated[
        str, typer.Option(help="direct: all steps at once; autoregressive: each step from the one before.")
    ] = "direct"
    likelihood: Annotated[
        str | None, typer.Option(help="normal, student_t, or negative_binomial for counts.", show_default="none")
    ] = None
    preset: Annotated[str, typer.Option(help="Training effort: fast, balanced or best.")] = "balanced"

    def settings(self) -> dict[str, Any]:
        """Return settings of a forecaster."""
        return asdict(self)


@dataclass(frozen=True)
class WindowOptions:
    """Over which held-out windows networks are scored, and next to what."""

    windows: Annotated[
        int | None, typer.Option(callback=positive_int, help="Held-out windows.", show_default="at most 5")
    ] = None
    step: Annotated[
        int | None,
        typer.Option(callback=positive_int, help="Steps from one window to the next.", show_default="the horizon"),
    ] = None
    refit: Annotated[
        bool, typer.Option("--refit", help="Train again before each window, not only before the first.")
    ] = False
    against: Against = None
    workers: Workers = None

    def settings(self) -> dict[str, Any]:
        """Return the arguments of a backtest or a comparison."""
        return {
            "n_windows": self.windows,
            "step_size": self.step,
            "refit": self.refit,
            "against": split_list(self.against),
            "workers": self.workers,
        }


@dataclass(frozen=True)
class RunOptions:
    """Where a run is written, and how its result is printed."""

    out: Annotated[Path | None, typer.Option(help="Directory to write.", show_default="throughtime-DATA")] = None
    overwrite: Overwrite = False
    json: Json = False
