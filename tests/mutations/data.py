"""Mutations of the data."""

from __future__ import annotations

from tests.mutations import Mutation

KNOWN = "tasks/test_covariates.py"

MUTATIONS = [
    Mutation(
        "data/frames.py",
        "like.in_utc if like is not None else",
        "False if like is not None else",
        "tasks/test_odd_frames.py::test_later_frames_are_read_as_the_first_one",
    ),
    Mutation(
        "data/series.py",
        "former.starts[place]) + former.lengths[place]",
        "former.starts[place])",
        "tasks/test_later_rows.py::test_windows_fill_the_later_rows_and_no_row_that_was_learned_from_is_scored",
    ),
    Mutation(
        "data/series.py",
        'if feature.role != "future":',
        "if feature.role:",
        f"{KNOWN}::test_what_is_missing_is_named",
    ),
    Mutation(
        "data/ragged.py",
        "steps < lengths.unsqueeze(1)",
        "steps <= lengths.unsqueeze(1)",
        "data/test_ragged.py::test_padding_is_zero_behind_the_end_alone",
    ),
    Mutation(
        "data/identifiers.py",
        "elif not any(texts) and not from_numbers:",
        "elif False:",
        "data/test_identifiers.py::test_a_series_keeps_its_name_from_training_whatever_the_type",
    ),
    Mutation(
        "data/identifiers.py",
        "if is_text.any() and not is_text.all():",
        "if False:",
        "data/test_identifiers.py::test_names_that_may_be_two_things_are_refused",
    ),
    Mutation(
        "data/series.py",
        "if counts.max() > 1:",
        "if counts.max() > 2:",
        f"{KNOWN}::test_a_date_has_one_row_in_the_future_as_in_the_past",
    ),
    Mutation(
        "data/series.py",
        "steps[settled], former[settled], beside[rows][settled]",
        "steps[:0], former[:0], beside[:0]",
        f"{KNOWN}::test_a_date_has_one_row_in_the_future_as_in_the_past",
    ),
    Mutation(
        "data/covariates.py",
        "(numbers < self.low / 10)",
        "(numbers < 0)",
        f"{KNOWN}::test_what_training_has_not_seen_in_a_column_is_named",
    ),
    Mutation(
        "data/covariates.py",
        "if code is None:",
        "if False:",
        f"{KNOWN}::test_numbers_for_words_and_words_for_numbers_are_refused",
    ),
    Mutation(
        "data/frames.py",
        "for sentence in feature.oddities(cells, codes):",
        "for sentence in ():",
        f"{KNOWN}::test_words_never_seen_and_series_never_seen_are_forecast",
    ),
    Mutation(
        "data/series.py",
        "for i in going_on:",
        "for i in range(len(self)):",
        "tasks/test_ended.py::test_series_that_have_ended_are_named_and_forecast_as_the_setting_says",
    ),
    Mutation(
        "data/rows.py",
        "np.where(stamps <= last, steps, -1)",
        "steps",
        "tasks/test_ended.py::test_rows_without_a_value_after_the_last_one_of_all_are_to_be_forecast",
    ),
    Mutation("data/midi.py", "and message.velocity", "", "data/test_music.py::test_all_tracks_are_read_but_percussion"),
]
