"""The page itself: words and pictures poured into the template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from throughtime.app.report import network_diagram, plots
from throughtime.app.report.gradients import Memory, memory
from throughtime.app.report.template import NARROW, WIDE, Picture, both, render
from throughtime.app.report.ticks import text
from throughtime.app.scores import MEASURES, best, describe_mase_unit, intervals, label

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from markupsafe import Markup

    from throughtime.app.report.forecast_run import Run, SeriesView

_FEW = 100  # forecasts that are written out as a table


def page(run: Run) -> str:
    """The report as HTML."""
    return render("page.html", **_contents(run))


def _contents(run: Run) -> dict[str, Any]:
    forecaster, backtest = run.forecaster, run.backtest
    sizes, seen = network_diagram.Sizes.of(forecaster), memory(forecaster)
    methods = {name: label(name, sizes.cell) for name in backtest.scores}
    single = len(run.views) == 1
    # A single series gets the width of the page; several stand beside one another.
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
        "forecast_legend": [("actual", "history"), ("network", "forecast"), *_intervals(forecaster.levels)],
        "kinds": plots.METHODS,
        "measures": MEASURES,
        "best": best(backtest),
        "intervals": intervals(backtest),
        "mase_unit": describe_mase_unit(backtest),
        "forecasts": [_drawn(plots.forecast, view, size) for view in run.views],
        "windows": [_drawn(plots.windows, view, size) for view in run.views if view.windows],
        "by_step": both(lambda w, h: plots.by_step(backtest.by_step, w, h)),
        "losses": both(lambda w, h: plots.losses(forecaster.history_, w, h)),
        "memory": both(lambda w, h: plots.memory(seen.gradients, w, h)),
        "memory_words": _remembered(seen, sizes),
        "network": Picture(network_diagram.drawing(sizes, WIDE), network_diagram.drawing(sizes, NARROW)),
        "sizes": sizes,
        "history": forecaster.history_,
        "table": _rows(run.views[0]) if single and forecaster.horizon <= _FEW else [],
        "notes": [*run.table.notes, *forecaster.notes_],
        "settings": run.settings,
        "command": run.command,
    }


def _intervals(levels: Sequence[float]) -> list[tuple[str, str]]:
    """Entries of a legend: bands lie over one another, so that the narrower interval is the darker."""
    ordered = sorted(levels)
    shades = ["band outer"] if len(ordered) == 1 else ["band inner", *["band outer"] * (len(ordered) - 1)]
    return [(shade, f"{level} % interval") for shade, level in zip(shades, ordered, strict=True)]


def _drawn(
    draw: Callable[[SeriesView, int, int], Markup], view: SeriesView, size: dict[str, tuple[int, int]]
) -> tuple[SeriesView, Picture]:
    return view, Picture(draw(view, *size["wide"]), draw(view, *size["narrow"]))


def _remembered(seen: Memory, sizes: network_diagram.Sizes) -> str:
    """Where the memory ends, in words."""
    if seen.reach is None:
        return (
            f"Within the {sizes.steps} recurrent steps looked at, the gradient does not fall below 1 % of its largest."
        )
    steps = f"{seen.reach} recurrent step{'s' if seen.reach > 1 else ''}"
    values = f", {seen.reach * sizes.block} values of the series" if sizes.block > 1 else ""
    return f"After {steps}{values}, less than 1 % of the largest gradient is left: there this network's memory ends."


def _rows(view: SeriesView) -> list[list[str]]:
    """The forecasts as a table: time, forecast, and the bounds of each interval."""
    course = view.forecast
    bounds = [side for level in sorted(course.bounds) for side in course.bounds[level]]
    columns = [course.y, *bounds]
    return [[stamp, *(text(float(c[i])) for c in columns)] for i, stamp in enumerate(view.dates)]
