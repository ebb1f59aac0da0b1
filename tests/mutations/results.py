"""Mutations of scores, totals, sources and results."""

from __future__ import annotations

from tests.mutations import Mutation

_SCORES = "tasks/forecasting/evaluation/scores.py"

MUTATIONS = [
    Mutation(
        _SCORES,
        "100 * errors / sizes if",
        "errors / sizes if",
        "tasks/test_scores.py::test_the_scores_are_those_of_their_definitions",
    ),
    Mutation(
        _SCORES,
        '"bias": np.asarray(metrics.mean(forecast - y))',
        '"bias": np.asarray(metrics.mean(y - forecast))',
        "tasks/test_scores.py::test_the_scores_are_those_of_their_definitions",
    ),
    Mutation(
        _SCORES,
        "np.argsort(-np.nan_to_num(worst",
        "np.argsort(np.nan_to_num(worst",
        "tasks/test_scores.py::test_scores_by_series_join_its_windows_and_name_the_worst_first",
    ),
    Mutation(
        _SCORES,
        'for name in ("mase", "wape") if',
        'for name in ("smape", "wape") if',
        "tasks/test_scores.py::test_the_headline_names_a_score_that_is_defined",
    ),
    Mutation(
        "tasks/forecasting/evaluation/verdict.py",
        '    if weight == 0:\n        return f" The network has no share in the delivered',
        '    if weight < 0:\n        return f" The network has no share in the delivered',
        "tasks/test_scores.py::test_the_headline_names_the_share_of_the_delivered_forecast",
    ),
    Mutation(
        "app/tables/date_patterns.py",
        'if _WEEKS.isdisjoint(before) == ("%G" not in before):',
        "if True:",
        "app/test_table_words.py::test_the_year_of_a_week_is_that_of_its_thursday",
    ),
    Mutation(
        "app/tables/date_patterns.py",
        "*filter(None, [stored]), *candidates",
        "*candidates,",
        "app/test_table_words.py::test_of_two_patterns_that_fit_the_stored_one_is_taken",
    ),
    Mutation(
        "app/tables/table_words.py",
        "decimals += 2",
        "decimals += 0",
        "app/test_table_words.py::test_rare_sales_keep_decimals_that_a_whole_number_would_lose",
    ),
    Mutation(
        "app/tables/table_words.py",
        'comma = "," in marks and separator != ","',
        "comma = False",
        "app/test_table_words.py::test_a_table_that_is_written_in_its_own_words_is_the_table",
    ),
    Mutation(
        "inference/forecasting/calibration.py",
        "np.sqrt(correlation) * common",
        "0 * common",
        "tasks/test_totals.py::test_paths_of_one_series_are_distributed_as_without_the_others",
    ),
    Mutation(
        "inference/forecasting/totals.py",
        "sums[:, dates] += series",
        "sums[:, dates] = series",
        "tasks/test_totals.py::test_totals_are_sums_of_the_forecasts_with_bounds_around_them",
    ),
    Mutation(
        "app/jobs/totals.py",
        'pl.coalesce(pl.col("(sum)").cast(pl.Float64), OURS)',
        "pl.col(OURS)",
        "tasks/test_totals.py::test_rounded_totals_are_sums_of_rounded_forecasts",
    ),
    Mutation(
        "app/tables/databases.py",
        '"read_only": True, "config"',
        '"read_only": False, "config"',
        "app/test_databases.py::test_a_query_cannot_write",
    ),
    Mutation(
        "app/tables/databases.py",
        "if exists and not overwrite:",
        "if False:",
        "app/test_databases.py::test_a_table_is_replaced_only_when_asked",
    ),
    Mutation(
        "app/output.py",
        'return _PASSWORD_FIELD.sub(r"\\1***", _PASSWORD.sub(r"\\1:***@", text))',
        "return text",
        "app/test_databases.py::test_passwords_are_hidden",
    ),
    Mutation(
        "app/tables/folders.py",
        "if {*table.frame.columns} != {*first.frame.columns}:",
        "if False:",
        "app/test_sources.py::test_a_folder_is_one_table_whose_faults_name_their_file",
    ),
]
