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
    Mutation("data/midi.py", "and message.velocity", "", "data/test_music.py::test_all_tracks_are_read_but_percussion"),
    Mutation(
        "data/numbers.py",
        "if others or not len(lengths) or (lengths > 3).any():",
        "if others:",
        "data/test_numbers.py::test_cells_of_two_readings_are_ambiguous",
    ),
    Mutation(
        "data/numbers.py",
        "thousands[mark] = row",
        "pass",
        "data/test_numbers.py::test_cells_are_read_as_they_were_meant",
    ),
    Mutation(
        "data/numbers.py",
        "    _refuse_contradictions(decimal, thousands)\n",
        "",
        "data/test_numbers.py::test_cells_that_contradict_each_other_are_named",
    ),
    Mutation(
        "data/numbers.py",
        "{known.decimal: None} if known.decimal else {}",
        "{}",
        "data/test_numbers.py::test_what_is_known_of_earlier_cells_decides_later_ones",
    ),
    Mutation(
        "data/numbers.py",
        '(signs == "-") | (brackets == "()")',
        'signs == "-"',
        "data/test_numbers.py::test_cells_are_read_as_they_were_meant",
    ),
    Mutation(
        "data/encodings.py",
        "_check_western(path, content, text)",
        "pass",
        "app/test_table_layouts.py::test_an_encoding_that_is_not_recognised_is_asked_for",
    ),
    Mutation(
        "data/encodings.py",
        '"utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"',
        '"utf-16-le"',
        "app/test_table_layouts.py::test_encodings_are_recognised_and_named",
    ),
    Mutation(
        "data/files.py",
        "if size > checked:",
        "if False:",
        "app/test_file_limits.py::test_unpacking_stops_at_the_limit",
    ),
    Mutation(
        "data/files.py",
        "if free is not None and size * _COPIES > free:",
        "if False:",
        "app/test_file_limits.py::test_a_file_is_not_read_into_more_memory_than_is_free",
    ),
    Mutation(
        "data/files.py",
        "if inside and not unpacker.eof:",
        "if False:",
        "app/test_file_limits.py::test_a_damaged_gzip_file_is_named",
    ),
]
