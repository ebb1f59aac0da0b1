"""Mutations of the weekly loop: the monitor, its log, and updates."""

from __future__ import annotations

from tests.mutations import Mutation

MUTATIONS = [
    Mutation(
        "tasks/forecasting/monitoring/sequential_test.py",
        "- np.array(shifts) ** 2 / 2",
        "",
        "tasks/test_monitoring.py::test_false_alarms_are_as_rare_as_stated",
    ),
    Mutation(
        "tasks/forecasting/monitoring/sequential_test.py",
        "(self.evidence + injected) * likelihood",
        "injected * likelihood",
        "tasks/test_monitoring.py::test_changes_of_any_kind_are_found",
    ),
    Mutation(
        "tasks/forecasting/monitoring/due_forecasts.py",
        "y[i, :limit] = values[:limit]",
        "y[i] = values",
        "tasks/test_monitoring.py::test_each_value_counts_once_in_the_last_forecast_before_it",
    ),
    Mutation(
        "tasks/forecasting/monitoring/row_changes.py",
        "self.rows or self.revised or self.covariates",
        "True",
        "tasks/test_monitoring.py::test_the_same_rows_twice_change_nothing",
    ),
    Mutation(
        "app/jobs/monitor.py",
        "return DRIFT if result.drift else 0",
        "return 0",
        "app/test_monday.py::test_drift_has_an_exit_code_of_its_own_and_says_what_to_do",
    ),
    Mutation(
        "io/directory.py",
        "with atomic_directories.locked_directory(atomic_directories.resolve(directory)):",
        "if True:",
        "app/test_monday.py::test_forecasts_at_the_same_time_are_all_logged",
    ),
    Mutation(
        "tasks/forecasting/evaluation/backtest.py",
        "if rows < horizon:",
        "if False:",
        "app/test_monday.py::test_one_step_of_a_horizon_is_scored",
    ),
]
