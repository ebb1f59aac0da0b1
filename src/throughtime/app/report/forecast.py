"""The report of a forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from throughtime.app.report import plots
from throughtime.app.report.gradients import measure_gradient_reach
from throughtime.app.report.network_diagram import DiagramSizes, draw_network
from throughtime.app.report.template import NARROW, WIDE, Picture, draw_both, render
from throughtime.app.report.ticks import format_number
from throughtime.app.scores import (
    best_scores,
    describe_intervals,
    describe_mase_unit,
    describe_measures,
    measures,
    method_label,
    series_records,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from markupsafe import Markup

    from throughtime.app.report.forecast_run import ForecastRun, SeriesView
    from throughtime.app.report.gradients import GradientDecay

_MAX_ROWS = 100  # of the tables of forecasts and of series


def forecaster_page(run: ForecastRun) -> str:
    """Return the report as HTML."""
    return render("forecast.html", **_contents(run))


def _contents(run: ForecastRun) -> dict[str, Any]:
    forecaster, backtest = run.forecaster, run.backtest
    sizes, reach = DiagramSizes.of(forecaster), measure_gradient_reach(forecaster)
    methods = {name: method_label(name) for name in backtest.scores}
    single = len(run.views) == 1
    # A single series has the width of the page; several are placed next to each other.
    size = {"wide": (WIDE, 300), "narrow": (NARROW, 230)} if single else {"wide": (374, 220), "narrow": (NARROW, 200)}
    return {
        "name": run.views[0].name if single else run.table.path.stem,
        "count": len(forecaster.series_),
        "file": run.table.forecast,
        "horizon": forecaster.horizon,
        "frequency": forecaster.panel_.frequency.description,
        "backtest": backtest,
        "methods": methods,
        "method_legend": [(kind, methods[name]) for name, kind in plots.METHODS.items() if name in methods],
        "forecast_legend": [("actual", "history"), ("network", "forecast"), *_interval_legend(forecaster.levels)],
        "kinds": plots.METHODS,
        "verdict": run.verdict,
        "measures": measures(backtest),
        "units": describe_measures(backtest, ", ".join(run.table.format.targets)),
        "series_scores": series_records(backtest)[:_MAX_ROWS],
        "reference": method_label(backtest.skill.against),
        "best": best_scores(backtest),
        "intervals": describe_intervals(backtest),
        "mase_unit": describe_mase_unit(backtest),
        "forecasts": [_draw_view(plots.draw_forecast, view, size) for view in run.views],
        "windows": [_draw_view(plots.draw_windows, view, size) for view in run.views if view.windows],
        "by_step": draw_both(lambda w, h: plots.draw_errors_by_step(backtest.by_step, w, h)),
        "losses": draw_both(lambda w, h: plots.draw_losses(forecaster.history_, w, h)),
        "gradients": draw_both(lambda w, h: plots.draw_gradients(reach.gradients, w, h)),
        "reach": _describe_reach(reach, sizes),
        "network": Picture(draw_network(sizes, WIDE), draw_network(sizes, NARROW)),
        "sizes": sizes,
        "history": forecaster.history_,
        "table": _table_rows(run.views[0]) if single and forecaster.horizon <= _MAX_ROWS else [],
        "notes": [*run.table.notes, *forecaster.notes_],
        "settings": run.settings,
        "command": run.command,
    }


def _interval_legend(levels: Sequence[float]) -> list[tuple[str, str]]:
    """Return the entries of a legend; bands overlap, so that the narrower interval is the darker."""
    ordered = sorted(levels)
    shades = ["band outer"] if len(ordered) == 1 else ["band inner", *["band outer"] * (len(ordered) - 1)]
    return [(shade, f"{level} % interval") for shade, level in zip(shades, ordered, strict=True)]


def _draw_view(
    draw: Callable[[SeriesView, int, int], Markup], view: SeriesView, size: dict[str, tuple[int, int]]
) -> tuple[SeriesView, Picture]:
    return view, Picture(draw(view, *size["wide"]), draw(view, *size["narrow"]))


def _describe_reach(reach: GradientDecay, sizes: DiagramSizes) -> str:
    if reach.steps is None:
        return f"Within the last {sizes.steps} recurrent steps, the gradient stays above 1 % of its largest value."
    steps = f"{reach.steps} recurrent step{'s' if reach.steps > 1 else ''}"
    values = f" ({reach.steps * sizes.block} values of the series)" if sizes.block > 1 else ""
    return f"After {steps}{values}, less than 1 % of the largest gradient is left: the network learns no further back."


def _table_rows(view: SeriesView) -> list[list[str]]:
    """Return the forecasts as text: time, forecast, and the bounds of each interval."""
    curve = view.forecast
    bounds = [bound for level in sorted(curve.bounds) for bound in curve.bounds[level]]
    columns = [curve.y, *bounds]
    return [[date, *(format_number(float(column[i])) for column in columns)] for i, date in enumerate(view.dates)]
