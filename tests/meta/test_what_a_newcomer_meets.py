"""Promises to new users of forecasting, and the tests that check them: a renamed or removed test is reported here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PROMISES = {
    "progress is plain lines where there is no terminal, and nothing is written outside the run's directory": [
        "app/test_runs.py::test_default_names_are_fresh_and_overwrite_replaces_a_former_run",
        "app/test_runs.py::test_a_run_writes_nothing_outside_its_directory",
    ],
    "missing values are masked, filled or refused, and counted by series": [
        "data/test_panel_builder.py::test_missing_values_are_masked_and_counted",
        "tasks/test_forecaster.py::test_gaps_and_missing_values_are_masked_and_reported",
    ],
    "missing rows are detected, counted, masked and reported": [
        "data/test_panel_builder.py::test_a_gap_does_not_change_the_frequency",
        "tasks/test_forecaster.py::test_gaps_and_missing_values_are_masked_and_reported",
    ],
    "the frequency is inferred, may be written in words, and is refused where it contradicts the dates": [
        "data/test_panel_builder.py::test_the_frequency_is_inferred_and_continues_the_dates",
        "data/test_panel_builder.py::test_a_frequency_may_be_given_in_words",
        "data/test_panel_builder.py::test_a_frequency_that_contradicts_the_dates_is_refused",
    ],
    "series too short for the network are still forecast, and named": [
        "tasks/test_forecaster.py::test_short_series_among_long_ones_are_forecast_by_a_naive_forecast_and_named",
        "tasks/test_forecaster.py::test_a_series_shorter_than_the_horizon_is_still_forecast",
    ],
    "columns of any name are inferred, and a note reports it": [
        "app/test_runs.py::test_what_was_guessed_and_mended_is_said",
        "app/test_runs.py::test_many_series_of_a_parquet_file_make_one_report",
    ],
    "intervals come by default, never cross, and their coverage is shown": [
        "tasks/test_forecaster.py::test_a_forecast_follows_the_last_date_of_every_series",
        "tasks/test_forecaster.py::test_intervals_do_not_cross_and_hold_the_forecast",
        "tasks/test_forecaster.py::test_scores_of_a_backtest_are_those_of_its_frame",
    ],
    "the verdict reports where nothing was learned or another model is better": [
        "tasks/test_forecaster.py::test_the_verdict_admits_that_nothing_was_learned",
        "tasks/test_external_models.py::test_a_verdict_admits_that_an_external_model_is_better",
    ],
}


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_has_its_tests(promise: str) -> None:
    for location in PROMISES[promise]:
        file, _, name = location.partition("::")
        source = (TESTS / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {name}\(", source, re.MULTILINE), f"{location} is gone: what checks that {promise}?"
