"""Names of series that several columns identify together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughtime.app.tables.table_format import TableFormat


def join_name(cells: Sequence[str]) -> str:
    r"""Return the name of a series from the cells of several columns, separated by slashes.

    >>> join_name(["Zürich", "A/B"])
    'Zürich/A\\/B'
    """
    return "/".join(cell.replace("\\", "\\\\").replace("/", "\\/") for cell in cells)


def split_name(name: str) -> list[str]:
    """Return the cells of a name: the inverse of `join_name`."""
    return [re.sub(r"\\(.)", r"\1", cell) for cell in re.findall(r"(?:\\.|[^\\/])+", name)]


def add_series_columns(frame: pl.DataFrame, table_format: TableFormat) -> pl.DataFrame:
    """Return forecasts with the columns that together name their series, if there are several."""
    names = [name for name in table_format.series if name not in frame.columns]
    if len(table_format.series) < 2 or not names:
        return frame
    ids = frame["unique_id"].unique(maintain_order=True)
    cells = [split_name(str(name))[: len(table_format.series)] for name in ids]
    columns = {name: [row[i] for row in cells] for i, name in enumerate(table_format.series) if name in names}
    return frame.join(pl.DataFrame({"unique_id": ids, **columns}), on="unique_id", how="left").select(
        "unique_id", *names, pl.all().exclude("unique_id", *names)
    )
