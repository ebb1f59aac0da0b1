"""How a table was read, as a model stores it, so that every later file is read alike."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from throughtime._core.errors import InputError
from throughtime.app.tables.read_options import LAYOUTS, ReadOptions
from throughtime.data.series.dates import DateFormat
from throughtime.data.series.numbers import NumberFormat

if TYPE_CHECKING:
    from pathlib import Path

    from throughtime.app.tables.columns import Columns


@dataclass(frozen=True)
class TableFormat:
    """What was decided on the training data.

    Attributes:
        time: column of dates, or several with commas; None where rows follow one another.
        targets: columns of the values.
        series: columns that together name a series.
        numbers: how the columns of numbers are written that are text.
        dates: how dates are written.
        layout: 'rows' for a table with a row for each series, else 'long'.
        encoding: that a user named.
        sheet: of an Excel file, that a user named.
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
        """Return the fields as JSON can hold them."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Undo `to_json`.

        Raises:
            InputError: for fields that are not those of a table.
        """
        try:
            numbers = {str(name): NumberFormat.from_json(marks) for name, marks in fields.get("numbers", {}).items()}
            dates = DateFormat(**fields.get("dates", {}))
            form = cls(**{**fields, "numbers": numbers, "dates": dates})
            texts = [form.time, form.encoding, form.sheet]
            names = [*form.targets, *form.series]
            if not all(isinstance(each, str | None) for each in texts) or not all(
                isinstance(each, str) for each in names
            ):
                raise TypeError("a name is not a text")  # noqa: TRY301
            if form.layout not in LAYOUTS:
                raise ValueError(f"layout {form.layout!r}")  # noqa: TRY301
        except (TypeError, ValueError, AttributeError) as error:
            raise InputError(f"the model's table format is damaged: {error}") from error
        return replace(form, targets=tuple(form.targets), series=tuple(form.series))

    def options(self, path: Path, given: ReadOptions) -> ReadOptions:
        """The options for a later file: those given, else those of training where they apply to it."""
        excel = path.suffix.lower() in {".xlsx", ".xlsm"}
        sheet = given.sheet or (self.sheet if excel else None)
        layout = given.layout or ("rows" if self.layout == "rows" else None)
        return replace(given, sheet=sheet, layout=layout, fallback_encoding=self.encoding)

    def columns(self, given: Columns) -> Columns:
        """The columns of a later file: those given, else those of training."""
        target, series = given.target or self.targets, given.series or self.series
        if self.layout == "rows":
            return replace(given, series=series or None)
        return replace(given, time=given.time or self.time, target=target or None, series=series or None)
