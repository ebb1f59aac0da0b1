"""Mutations of the data."""

from __future__ import annotations

from tests.mutations import Mutation

READERS = "data/test_readers.py"
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
        "data/conll_columns.py",
        "elif layout.is_comment(",
        "elif False and layout.is_comment(",
        f"{READERS}::test_comment_lines_are_skipped_and_counted[blanks]",
    ),
    Mutation(
        "data/conll_columns.py",
        "if known or self.width == 1:",
        "if self.width == 1:",
        f"{READERS}::test_a_word_may_begin_with_the_mark_of_comments",
    ),
    Mutation(
        "data/conll_columns.py",
        "if len(cells) != self.width:",
        "if len(cells) < 1:",
        f"{READERS}::test_a_conll_file_is_refused_with[a tag missing in some lines]",
    ),
    Mutation(
        "data/conll.py",
        "if cell != str(expected):",
        "if not cell:",
        f"{READERS}::test_a_conll_file_is_refused_with[a blank line missing]",
    ),
    Mutation(
        "data/labelled.py",
        "if _is_data(names, [cells for _, cells in rows], usual):",
        "if not names:",
        f"{READERS}::test_texts_and_labels_are_found[no header]",
    ),
    Mutation(
        "data/labelled.py",
        "2 * counts[label] > rows",
        "2 * counts[label] > 9 * rows",
        f"{READERS}::test_tables_of_texts_that_leave_something_open_are_refused",
    ),
    Mutation("data/midi.py", "and message.velocity", "", "data/test_music.py::test_all_tracks_are_read_but_percussion"),
]
