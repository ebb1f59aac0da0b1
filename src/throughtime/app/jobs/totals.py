"""Totals of a forecast in the words of the table: by series, by group and of all, with intervals from sample paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from throughtime.app.tables.table_words import format_time, round_values, series_targets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from throughtime import Forecaster
    from throughtime.app.tables.table_format import TableFormat

    Groups = Mapping[str, Mapping[Any, str]]

OURS = "throughtime"
ALL = "all"
TARGET = "target"
_KEYS = ("total", "name", "from", "to")


def forecast_totals(
    forecaster: Forecaster,
    forecast: pl.DataFrame,
    table_format: TableFormat,
    groups: Groups,
    data: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return the totals of a forecast: total, name, from, to, the target and the bounds of its intervals.

    A total is the sum of the rounded forecasts that it consists of, so that a table of the forecast adds up to it.

    Args:
        forecaster: fitted.
        forecast: what it forecasts from `data`: unique_id, ds, throughtime and bounds.
        table_format: format of the table.
        groups: by name of a grouping, the group of each series.
        data: as for `Forecaster.predict`.
    """
    targets = list(table_format.targets) or ["y"]
    single = len(targets) == 1
    groups = groups if single else _groups_by_target(groups, forecast["unique_id"], table_format)
    totals = forecaster.totals(data, groups=groups)
    if not single:  # which have no common unit
        totals = totals.filter(pl.col("total") != ALL)
    decimals = table_format.decimals.get(targets[0]) if single else None
    totals = _add_up(totals, round_values(forecast.select("unique_id", "ds", OURS), decimals, OURS), groups)
    values = [name for name in totals.columns if name.startswith(OURS)]
    bounds = [
        (pl.min_horizontal if "-lo-" in name else pl.max_horizontal)(name, OURS).alias(name)
        for name in values
        if name != OURS
    ]
    totals = round_values(totals.with_columns(bounds), decimals, *values)
    written = {date: format_time(date, table_format) for date in {*totals["start"], *totals["end"]}}
    texts = [pl.Series(to, [written[date] for date in totals[name]]) for name, to in (("start", "from"), ("end", "to"))]
    column = targets[0] if single and targets[0] not in _KEYS else "value"
    words = totals.select(pl.col(values).name.map(lambda name: name.replace(OURS, column, 1)))
    return pl.DataFrame([totals["total"], totals["name"], *texts, *words])


def _groups_by_target(groups: Groups, ids: pl.Series, table_format: TableFormat) -> Groups:
    """Return groups of one target each: sums over targets of different units say nothing."""
    targets = series_targets(ids, table_format)
    split = {
        name: {i: f"{label}/{targets[i]}" for i, label in labels.items() if i in targets}
        for name, labels in groups.items()
    }
    return {**split, TARGET: targets}


def _add_up(totals: pl.DataFrame, forecast: pl.DataFrame, groups: Groups) -> pl.DataFrame:
    """Return the totals with the sums of a rounded forecast in place of those of the forecast itself."""
    ids = forecast["unique_id"].unique(maintain_order=True).to_list()
    labels = {"series": {i: str(i) for i in ids}, ALL: dict.fromkeys(ids, ALL), **groups}
    sums = []
    for total, members in labels.items():
        of = pl.DataFrame(
            {"unique_id": [i for i in ids if i in members], "name": [str(members[i]) for i in ids if i in members]},
            schema={"unique_id": forecast["unique_id"].dtype, "name": pl.String},
        )
        parts = forecast.join(of, on="unique_id").with_columns(total=pl.lit(total))
        value = pl.col(OURS).sum()
        by_date = parts.group_by("total", "name", "ds").agg(value).rename({"ds": "start"}).with_columns(end="start")
        whole = parts.group_by("total", "name").agg(
            pl.col("ds").min().alias("start"), pl.col("ds").max().alias("end"), value
        )
        sums += [by_date.select(whole.columns), whole]
    added = pl.concat(sums).unique(["total", "name", "start", "end"]).rename({OURS: "(sum)"})
    joined = totals.join(added, on=["total", "name", "start", "end"], how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce(pl.col("(sum)").cast(pl.Float64), OURS).alias(OURS)).drop("(sum)")
