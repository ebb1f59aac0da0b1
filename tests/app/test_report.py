"""The report in a real browser: no error, no request, nothing that sticks out."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from throughtime import Forecaster
from throughtime.app.report.forecast import forecaster_page
from throughtime.app.report.forecast_run import ForecastRun
from throughtime.app.tables.column_selection import Columns
from throughtime.app.tables.table import Table
from throughtime.data import datasets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.usefixtures("brief_trainings")

SHOWN = "[...document.querySelectorAll('svg[role=img]')].filter(picture => picture.getClientRects().length).length"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module", params=[1, 8], ids=["one series", "eight series"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on a few quick updates."""
    import polars as pl

    path = tmp_path_factory.mktemp("report") / "report.html"
    frame = pl.from_pandas(datasets.seasonal(request.param, 96)).with_columns(unique_id=pl.col("unique_id") + " <&>")
    forecaster = Forecaster(6, preset="fast", budget=1.0).fit(frame)
    table = Table(path.with_suffix(".csv"), frame, Columns("ds", "y", "unique_id"), ["A note with <b>brackets</b>."])
    run = ForecastRun(
        forecaster, forecaster.backtest(), table, {"horizon": 6}, "throughtime forecast 'a b.csv' --horizon 6"
    )
    path.write_text(forecaster_page(run), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    if CHROMIUM is None:
        pytest.skip("needs a browser: no Chromium is installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright to drive the browser")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1000])
def test_the_page_opens_without_network_and_fits(report: Path, browser: Browser, width: int, scheme: str) -> None:
    view = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    messages: list[str] = []
    requested: list[str] = []
    view.on("console", lambda message: messages.append(message.text))
    view.on("pageerror", lambda error: messages.append(str(error)))
    view.on("request", lambda request: requested.append(request.url))
    view.goto(report.as_uri())
    assert messages == []
    assert requested == [report.as_uri()]
    assert view.evaluate("document.documentElement.scrollWidth") <= width
    assert (
        view.evaluate("[...document.querySelectorAll('svg[role=img]')].filter(e => e.getClientRects().length).length")
        >= 6
    )
    red, *_ = map(int, re.findall(r"\d+", view.evaluate("getComputedStyle(document.body).backgroundColor")))
    assert (red < 60) == (scheme == "dark")
    view.close()


def test_no_label_of_a_picture_leaves_it(report: Path, browser: Browser) -> None:
    for width in (390, 1000):
        view = browser.new_page(viewport={"width": width, "height": 800})
        view.goto(report.as_uri())
        outside = view.evaluate("""[...document.querySelectorAll('svg[role=img] text')].filter(text => {
            const inner = text.getBoundingClientRect(), outer = text.ownerSVGElement.getBoundingClientRect();
            return inner.width && (inner.left < outer.left - 1 || inner.right > outer.right + 1
                || inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1);
        }).map(text => text.textContent)""")
        assert outside == []
        view.close()


def test_what_people_wrote_is_text_and_no_markup(report: Path) -> None:
    source = report.read_text(encoding="utf-8")
    assert "<b>brackets" not in source
    assert "&lt;b&gt;brackets" in source
    assert "<&>" not in source
    assert "<script" not in source


def test_every_picture_has_a_title_and_every_table_headers(report: Path) -> None:
    source = report.read_text(encoding="utf-8")
    pictures = re.findall(r"<svg [^>]*role=\"img\"[^>]*>(.{7})", source, re.DOTALL)
    assert pictures
    assert set(pictures) == {"<title>"}
    tables = re.findall(r"<table>.*?</table>", source, re.DOTALL)
    assert all('<th scope="col">' in table and '<th scope="row">' in table for table in tables)
