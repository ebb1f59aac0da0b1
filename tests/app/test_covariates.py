"""Covariates from the command line: in one file, in a second one, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl
import pytest
from tests.app.process import run_in_process, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("brief_trainings")

FAST = ("--horizon", 3, "--preset", "fast", "--budget", "1s")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with all.csv, whose last days have no sales yet, and the same as past.csv and future.csv."""
    directory = tmp_path_factory.mktemp("shop")
    dates = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 6, 30), eager=True).to_list()
    rows = [(str(day), i * 37 % 11, 50 + 3 * (i * 37 % 11)) for i, day in enumerate(dates)]
    past, future = rows[:-3], rows[-3:]
    header = "day,announced,sales"
    history = [f"{day},{a},{s}" for day, a, s in past]
    write(directory / "past.csv", [header, *history])
    write(directory / "all.csv", [header, *history, *(f"{day},{a}," for day, a, _ in future)])
    write(directory / "future.csv", ["day,announced", *(f"{day},{a}" for day, a, _ in future)])
    run_in_process("forecast", "all.csv", *FAST, "--future", "announced", "--out", "run", cwd=directory)
    return directory


def test_the_future_may_stand_in_the_same_file_or_in_a_second_one(shop: Path) -> None:
    inputs = ("--future", "announced", "--future-data", "future.csv")
    run_in_process("forecast", "past.csv", *FAST, *inputs, "--out", "second", cwd=shop)
    dates = pl.read_csv(shop / "run" / "forecast.csv")["ds"].to_list()
    assert dates == ["2024-06-28", "2024-06-29", "2024-06-30"]
    assert pl.read_csv(shop / "second" / "forecast.csv")["ds"].to_list() == dates
    first, _ = run_in_process("predict", "run", "all.csv", cwd=shop)
    second, _ = run_in_process("predict", "run", "past.csv", "--future-data", "future.csv", cwd=shop)
    assert first == second == (shop / "run" / "forecast.csv").read_text()


def test_a_future_that_is_too_short_is_refused_before_anything_is_learned(shop: Path) -> None:
    for verb in (("forecast", "past.csv", *FAST, "--future", "announced"), ("predict", "run", "past.csv")):
        out, err = run_in_process(*verb, cwd=shop, code=2)
        assert out == ""
        assert "column announced has no value for 2024-06-28, and must be known in advance" in err
        assert "Training" not in err
    assert not (shop / "throughtime-past").exists()


def test_a_column_that_there_is_not_is_refused_with_the_nearest_name(shop: Path) -> None:
    _, err = run_in_process("backtest", "all.csv", "--horizon", 3, "--past", "anounced", cwd=shop, code=2)
    assert "past.csv" not in err
    assert "all.csv has no column anounced; did you mean announced?" in err


def test_backtests_know_what_was_announced(shop: Path) -> None:
    out, _ = run_in_process(
        "backtest", "all.csv", "--horizon", 3, "--preset", "fast", "--future", "announced", cwd=shop
    )
    assert "better than seasonal naive" in out


def test_the_calendar_and_the_decoder_are_those_of_the_model(shop: Path) -> None:
    options = ("--target", "sales", "--calendar", "--decoder", "autoregressive")
    run_in_process("forecast", "past.csv", *FAST, *options, "--out", "dates", cwd=shop)
    settings = json.loads((shop / "dates" / "run.json").read_text())["settings"]
    assert settings["covariates"]["calendar"] is True
    assert settings["decoder"] == "autoregressive"
    again, _ = run_in_process("predict", "dates", "past.csv", cwd=shop)
    assert again == (shop / "dates" / "forecast.csv").read_text()


def test_several_targets_are_several_series(shop: Path) -> None:
    run_in_process("forecast", "past.csv", *FAST, "--target", "sales,announced", "--out", "both", cwd=shop)
    frame = pl.read_csv(shop / "both" / "forecast.csv")
    assert frame["unique_id"].unique(maintain_order=True).to_list() == ["announced", "sales"]
    again, _ = run_in_process("predict", "both", "past.csv", cwd=shop)
    assert again == (shop / "both" / "forecast.csv").read_text()
