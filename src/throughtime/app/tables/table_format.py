"""How the training table was read. A model stores it, so that later files are read the same way."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from throughtime._core.errors import InputError
from throughtime.app.tables.read_options import LAYOUTS, ReadOptions
from throughtime.data.series.dates import DateFormat
from throughtime.data.series.numbers import NumberFormat

if TYPE_CHECKING:
    from pathlib import Path

    from throughtime.app.tables.column_selection import Columns


@dataclass(frozen=True)
class TableFormat:
    """Format of the training table.

    Attributes:
        time: column of dates, or several, comma-separated; None if the rows are in order.
        targets: columns of the values.
        series: columns that together name a series.
        numbers: formats of the text columns that hold numbers.
        dates: date format.
        layout: 'rows' for a table with one row for each series, else 'long'.
        encoding: encoding that the user set.
        sheet: sheet of an Excel file that the user set.
    """

    time: str | None = None
    targets: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    numbers: dict[str, NumberFormat] = field(default_factory=dict)
    dates: DateFormat = field(default_factory=DateFormat)
    layout: str = "long"
    encoding: str | None = None
    sheet: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Return the format from its fields.

        Raises:
            InputError: for fields that are damaged.
        """
        try:
            numbers = {str(name): NumberFormat.from_json(marks) for name, marks in fields.get("numbers", {}).items()}
            dates = DateFormat(**fields.get("dates", {}))
            table_format = cls(**{**fields, "numbers": numbers, "dates": dates})
            texts = [table_format.time, table_format.encoding, table_format.sheet]
            names = [*table_format.targets, *table_format.series]
            if not all(isinstance(value, str | None) for value in texts) or not all(
                isinstance(value, str) for value in names
            ):
                raise TypeError("a name is not a text")  # noqa: TRY301
            if table_format.layout not in LAYOUTS:
                raise ValueError(f"layout {table_format.layout!r}")  # noqa: TRY301
        except (TypeError, ValueError, AttributeError) as error:
            raise InputError(f"the model's table format is damaged: {error}") from error
        return replace(table_format, targets=tuple(table_format.targets), series=tuple(table_format.series))

    def options(self, path: Path, options: ReadOptions) -> ReadOptions:
        """Return the options of a later file: those that are set, else those of the training if they apply."""
        excel = path.suffix.lower() in {".xlsx", ".xlsm"}
        sheet = options.sheet or (self.sheet if excel else None)
        layout = options.layout or ("rows" if self.layout == "rows" else None)
        return replace(options, sheet=sheet, layout=layout, fallback_encoding=self.encoding)

    def columns(self, options: Columns) -> Columns:
        """Return the columns of a later file: those that are set, else those of the training."""
        target, series = options.target or self.targets, options.series or self.series
        if self.layout == "rows":
            return replace(options, series=series or None)
        return replace(options, time=options.time or self.time, target=target or None, series=series or None)
