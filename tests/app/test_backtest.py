"""`throughtime backtest`: what it prints, writes and refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl
import pytest
from tests.app.process import monthly, run_in_process, seasonal, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("brief_trainings")

FAST = ("--horizon", 6, "--preset", "fast", "--windows", 2)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of two series."""
    folder = tmp_path_factory.mktemp("backtest")
    shops = {"north": seasonal(), "south": [3 * value for value in seasonal()]}
    lines = [f"{line},{shop}" for shop, values in shops.items() for line in monthly(values)[1:]]
    write(folder / "data.csv", ["month,sales,shop", *lines])
    return folder


def test_json_holds_scores_steps_series_and_the_skill(directory: Path) -> None:
    out, _ = run_in_process(
        "backtest", "data.csv", *FAST, "--series", "shop", "--out", "past.csv", "--json", cwd=directory
    )
    output = json.loads(out)
    assert output["windows"] == 2
    assert {"throughtime", "naive", "seasonal_naive", "autoregression", "feed_forward"} <= set(output["scores"])
    assert {len(errors) for errors in output["by_step"].values()} == {6}
    worst = [series["throughtime"]["mase"] for series in output["by_series"]]
    assert {series["unique_id"] for series in output["by_series"]} == {"north", "south"}
    assert worst == sorted(worst, reverse=True)
    assert output["skill"]["low"] <= output["skill"]["value"] <= output["skill"]["high"]
    past = pl.read_csv(directory / "past.csv")
    assert past.shape[0] == 2 * 2 * 6
    assert {"unique_id", "ds", "cutoff", "y", "throughtime", "autoregression"} <= set(past.columns)


def test_tables_show_steps_and_the_worst_series(directory: Path) -> None:
    out, _ = run_in_process("backtest", "data.csv", *FAST, "--series", "shop", cwd=directory)
    for words in ("autoregression", "Error by step", "the worst first by MASE", "with 95 % probability"):
        assert words in out


def test_a_file_that_exists_is_not_replaced_unasked(directory: Path) -> None:
    (directory / "kept.csv").write_text("mine")
    _, err = run_in_process("backtest", "data.csv", *FAST, "--out", "kept.csv", cwd=directory, code=2)
    assert "--overwrite" in err
    assert (directory / "kept.csv").read_text() == "mine"


def test_too_many_windows_are_refused_with_the_number_that_is_possible(directory: Path) -> None:
    arguments = ("--horizon", 6, "--windows", 50, "--series", "shop")
    _, err = run_in_process("backtest", "data.csv", *arguments, cwd=directory, code=2)
    assert "expected at most" in err


def test_rivals_are_named_with_commas_and_shown_by_their_own_names(directory: Path) -> None:
    pytest.importorskip("statsforecast", reason="needs statsforecast, of the extra `baselines`")
    out, _ = run_in_process(
        "backtest", "data.csv", *FAST, "--series", "shop", "--against", "auto_ets,auto_theta", cwd=directory
    )
    assert "AutoETS" in out
    assert "AutoTheta" in out


@pytest.mark.parametrize("verb", ["backtest", "forecast"])
def test_a_rival_that_is_none_is_refused_before_anything_is_learned(directory: Path, verb: str) -> None:
    arguments = ("data.csv", "--horizon", 6, "--against", "auto_ets,oracle")
    _, err = run_in_process(verb, *arguments, cwd=directory, code=2)
    assert "--against: expected some of auto_ets, auto_theta, auto_arima, lightgbm, got 'oracle'" in err
    assert "Training" not in err
