"""Mutations of the data."""

from __future__ import annotations

from tests.mutations import Mutation

READERS = "data/test_readers.py"
KNOWN = "tasks/test_covariates.py"
DATES = "data/test_dates.py"
FREQUENCIES = "data/test_frequency.py"

MUTATIONS = [
    Mutation(
        "_core/floats.py",
        "except OverflowError:",
        "except ZeroDivisionError:",
        "tasks/test_odd_frames.py::test_whole_numbers_beyond_floating_point_are_infinite",
    ),
    Mutation(
        "data/series/date_disambiguation.py",
        "if not yearly or",
        "if True or",
        f"{DATES}::test_the_order_is_that_in_which_dates_follow_one_another",
    ),
    Mutation(
        "data/series/date_codes.py",
        "if code in _SHORT_CODES:",
        "if False:",
        f"{DATES}::test_whole_numbers_of_no_calendar_are_steps",
    ),
    Mutation(
        "data/series/date_codes.py",
        'preferred.append("mmyyyy")',
        "pass",
        f"{DATES}::test_whole_numbers_are_periods_of_their_calendar",
    ),
    Mutation(
        "data/series/dates.py",
        "and date_codes.WEEK_COLUMN.search(cells.column.name):",
        "and False:",
        f"{DATES}::test_a_column_of_weeks_holds_weeks_and_one_of_months_months",
    ),
    Mutation(
        "data/series/dates.py",
        'if "yz" in readings and len(cells.texts) > 1:',
        "if False:",
        f"{DATES}::test_years_that_end_in_the_next_one_are_years",
    ),
    Mutation(
        "data/series/date_format.py",
        "order=letters",
        'order=""',
        f"{DATES}::test_years_that_end_in_the_next_one_are_years",
    ),
    Mutation(
        "data/series/numbers.py",
        "0x660, 0x6F0, 0x966, 0xFF10",
        "0x660, 0x6F0, 0x966",
        "data/test_numbers.py::test_cells_are_read_as_they_were_meant",
    ),
    Mutation(
        "data/series/long_tables.py",
        'if ds.kind == "duration":',
        "if False:",
        "data/test_frames.py::test_frames_that_cannot_be_read_are_refused",
    ),
    Mutation(
        "data/series/long_tables.py",
        'if y.kind == "object":',
        "if False:",
        "data/test_frames.py::test_values_may_be_objects_that_are_numbers",
    ),
    Mutation(
        "data/series/numbers.py",
        '"missing": clean_text.str.contains(_EMPTY_MONEY_PATTERN),',
        "",
        "app/test_tables.py::test_a_missing_value_is_null",
    ),
    Mutation(
        "data/series/long_tables.py",
        "like.in_utc if like is not None else",
        "False if like is not None else",
        "tasks/test_odd_frames.py::test_later_frames_are_read_as_the_first_one",
    ),
    Mutation(
        "data/series/panel.py",
        "earlier.starts[index]) + earlier.lengths[index]",
        "earlier.starts[index])",
        "tasks/test_later_rows.py::test_windows_fill_the_later_rows_and_no_row_that_was_learned_from_is_scored",
    ),
    Mutation(
        "data/series/panel.py",
        'if feature.role != "future":',
        "if feature.role:",
        f"{KNOWN}::test_what_is_missing_is_named",
    ),
    Mutation(
        "data/jagged.py",
        "steps < lengths[:, None]",
        "steps <= lengths[:, None]",
        "data/test_jagged.py::test_padding_is_zero_behind_the_end_alone",
    ),
    Mutation(
        "data/text/conll_columns.py",
        "elif layout.is_comment(",
        "elif False and layout.is_comment(",
        f"{READERS}::test_comment_lines_are_skipped_and_counted[blanks]",
    ),
    Mutation(
        "data/text/conll_columns.py",
        "if has_known_tag or self.width == 1:",
        "if self.width == 1:",
        f"{READERS}::test_a_word_may_begin_with_the_mark_of_comments",
    ),
    Mutation(
        "data/text/conll_columns.py",
        "if len(cells) != self.width:",
        "if len(cells) < 1:",
        f"{READERS}::test_a_conll_file_is_refused_with[a tag missing in some lines]",
    ),
    Mutation(
        "data/text/conll.py",
        "if cell != str(expected):",
        "if not cell:",
        f"{READERS}::test_a_conll_file_is_refused_with[a blank line missing]",
    ),
    Mutation(
        "data/text/labelled_texts.py",
        "if _first_row_is_data(names, [cells for _, cells in rows], usual_names):",
        "if not names:",
        f"{READERS}::test_texts_and_labels_are_found[no header]",
    ),
    Mutation(
        "data/text/labelled_texts.py",
        'notes = [f"Encoding:',
        'notes = [] and [f"Encoding:',
        f"{READERS}::test_an_encoding_of_texts_is_recognised_and_named",
    ),
    Mutation(
        "data/text/labelled_texts.py",
        "2 * counts[label] > rows",
        "2 * counts[label] > 9 * rows",
        f"{READERS}::test_tables_of_texts_that_leave_something_open_are_refused",
    ),
    Mutation(
        "data/music/midi.py", "and message.velocity", "", "data/test_music.py::test_all_tracks_are_read_but_percussion"
    ),
    Mutation(
        "data/series/numbers.py",
        "if others or not len(lengths) or (lengths > 3).any():",
        "if others:",
        "data/test_numbers.py::test_cells_of_two_readings_are_ambiguous",
    ),
    Mutation(
        "data/series/numbers.py",
        "thousands[mark] = row",
        "pass",
        "data/test_numbers.py::test_cells_are_read_as_they_were_meant",
    ),
    Mutation(
        "data/series/numbers.py",
        "    _check_contradictions(decimal, thousands)\n",
        "",
        "data/test_numbers.py::test_cells_that_contradict_each_other_are_named",
    ),
    Mutation(
        "data/series/numbers.py",
        "{prior.decimal: None} if prior.decimal else {}",
        "{}",
        "data/test_numbers.py::test_what_is_known_of_earlier_cells_decides_later_ones",
    ),
    Mutation(
        "data/series/numbers.py",
        '(signs == "-") | (brackets == "()")',
        'signs == "-"',
        "data/test_numbers.py::test_cells_are_read_as_they_were_meant",
    ),
    Mutation(
        "data/encodings.py",
        "_check_western(path, content, text, advice)",
        "pass",
        "app/test_table_layouts.py::test_an_encoding_that_is_not_recognised_is_asked_for",
    ),
    Mutation(
        "data/encodings.py",
        '"utf-16-be" if zero_fractions[0] > zero_fractions[1] else "utf-16-le"',
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
        "if available is not None and size * _MEMORY_FACTOR > available:",
        "if False:",
        "app/test_file_limits.py::test_a_file_is_not_read_into_more_memory_than_is_free",
    ),
    Mutation(
        "data/files.py",
        "if in_member and not decompressor.eof:",
        "if False:",
        "app/test_file_limits.py::test_a_damaged_gzip_file_is_named",
    ),
    Mutation(
        "data/series/dates.py",
        "if prior.order in cells.orders and",
        "if not prior.order and",
        f"{DATES}::test_later_dates_are_read_as_the_first_ones_were",
    ),
    Mutation(
        "data/series/dates.py",
        "or select_reading(stamps, cells.column.name)",
        "or next(iter(stamps))",
        f"{DATES}::test_an_order_that_all_cells_leave_open_is_refused_with_both_readings",
    ),
    Mutation(
        "data/series/dates.py",
        "if parts.shape != first.shape or",
        "if",
        f"{DATES}::test_what_is_open_or_wrong_is_refused_with_its_row",
    ),
    Mutation(
        "data/series/date_disambiguation.py",
        "whole_year or are_monthly",
        "are_monthly",
        f"{DATES}::test_the_order_is_that_in_which_dates_follow_one_another",
    ),
    Mutation(
        "data/series/date_disambiguation.py",
        "gaps == gaps.max()",
        "distinct == distinct.max()",
        f"{DATES}::test_years_of_two_digits_follow_one_another",
    ),
    Mutation(
        "data/series/date_parsing.py",
        "hour % 12 + (12",
        "hour + (12",
        f"{DATES}::test_dates_are_read_from_text",
    ),
    Mutation(
        "data/series/date_codes.py",
        "valid &= thursday.astype",
        "valid |= thursday.astype",
        f"{DATES}::test_what_is_open_or_wrong_is_refused_with_its_row",
    ),
    Mutation(
        "data/series/frame_format.py",
        "return encode(column, self.date_format.calendar)",
        "return column",
        "data/test_frames.py::test_whole_numbers_go_on_in_their_calendar",
    ),
    Mutation(
        "data/series/long_tables.py",
        "calendar=STEPS)",
        'calendar="")',
        "data/test_frames.py::test_whole_numbers_of_a_model_without_calendars_stay_steps",
    ),
    Mutation(
        "data/series/frequency.py",
        "np.busday_offset(after, -1",
        "np.busday_offset(after, 0",
        f"{FREQUENCIES}::test_dates_go_on_as_those_of_pandas_with_and_without_gaps",
    ),
    Mutation(
        "data/series/frequency.py",
        "7 * (1 - rate) ** missing < _SIGNIFICANCE",
        "True",
        f"{FREQUENCIES}::test_days_that_are_missing_by_chance_are_not_taken_for_days_off",
    ),
    Mutation(
        "data/series/frequency.py",
        "    _check_anchor(requested, frequency, series)\n",
        "",
        f"{FREQUENCIES}::test_a_frequency_that_the_dates_do_not_have_is_refused",
    ),
    Mutation(
        "data/series/resampling.py",
        "(monthly := _monthly_grid(series)) is not None",
        "(monthly := None) is not None",
        f"{FREQUENCIES}::test_the_last_trading_days_of_months_are_months",
    ),
    Mutation(
        "data/series/panel_builder.py",
        "rows.slices], freq, previous)",
        "rows.slices], freq)",
        f"{FREQUENCIES}::test_fresh_rows_have_the_frequency_of_the_former_ones_where_they_agree",
    ),
    Mutation(
        "data/series/panel_builder.py",
        "notes += _weekday_notes",
        "_weekday_notes",
        f"{FREQUENCIES}::test_weekdays_that_mostly_have_no_row_are_named",
    ),
    Mutation(
        "data/series/calendar_features.py",
        "in (2, 3, 8, 9, 10)",
        "in (2, 3, 8)",
        f"{FREQUENCIES}::test_two_values_in_the_hour_that_comes_twice_are_refused_with_the_way_out",
    ),
    Mutation(
        "data/series/series_ids.py",
        "elif not any(are_texts) and not from_numbers:",
        "elif False:",
        "data/test_series_ids.py::test_a_series_keeps_its_name_from_training_whatever_the_type",
    ),
    Mutation(
        "data/series/series_ids.py",
        "if is_text.any() and not is_text.all():",
        "if False:",
        "data/test_series_ids.py::test_names_that_may_be_two_things_are_refused",
    ),
    Mutation(
        "data/series/panel.py",
        "if counts.max() > 1:",
        "if counts.max() > 2:",
        f"{KNOWN}::test_a_date_has_one_row_in_the_future_as_in_the_past",
    ),
    Mutation(
        "data/series/panel.py",
        "steps[is_fixed], previous[is_fixed], covariates[rows][is_fixed]",
        "steps[:0], previous[:0], covariates[:0]",
        f"{KNOWN}::test_a_date_has_one_row_in_the_future_as_in_the_past",
    ),
    Mutation(
        "data/series/covariates.py",
        "(numbers < self.low / 10)",
        "(numbers < 0)",
        f"{KNOWN}::test_what_training_has_not_seen_in_a_column_is_named",
    ),
    Mutation(
        "data/series/covariates.py",
        "if code is None:",
        "if False:",
        f"{KNOWN}::test_numbers_for_words_and_words_for_numbers_are_refused",
    ),
    Mutation(
        "data/series/long_tables.py",
        "for sentence in feature.warnings_for(cells, codes):",
        "for sentence in ():",
        f"{KNOWN}::test_words_never_seen_and_series_never_seen_are_forecast",
    ),
    Mutation(
        "data/series/panel.py",
        "for i in active:",
        "for i in range(len(self)):",
        "tasks/test_ended.py::test_series_that_have_ended_are_named_and_forecast_as_the_setting_says",
    ),
    Mutation(
        "data/series/panel_builder.py",
        "np.where(self.stamps <= last, steps, -1)",
        "steps",
        "tasks/test_ended.py::test_rows_without_a_value_after_the_last_one_of_all_are_to_be_forecast",
    ),
    Mutation(
        "data/series/frequency.py",
        "> _MAX_STEP",
        "> _MAX_STEP**9",
        "data/test_frequency.py::test_a_step_whose_dates_do_not_fit_is_refused",
    ),
    Mutation(
        "data/series/frame_format.py",
        "if self.timezone and not (is_time_zone(self.timezone)",
        "if self.timezone and not (True",
        "data/test_frames.py::test_a_time_zone_that_does_not_exist_is_refused",
    ),
    Mutation(
        "data/series/long_tables.py",
        "past = list(compress(cells, is_past))",
        "past = cells",
        "data/test_frames.py::test_a_word_that_only_rows_to_be_forecast_hold_is_not_known",
    ),
]
