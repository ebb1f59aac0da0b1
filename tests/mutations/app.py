"""Mutations of the command line and reports."""

from __future__ import annotations

from tests.mutations import Mutation

MUTATIONS = [
    Mutation(
        "app/learn.py",
        "OPTIONS.get(name, f'--set {name}')",
        "OPTIONS.get(name, f'--{name}')",
        "app/test_options.py::test_a_setting_is_called_as_it_is_set_on_the_command_line",
    ),
    Mutation(
        "app/commands.py",
        'f"{option.opts[0]}: expected',
        'f"--of-{option.name}: expected',
        "app/test_options.py::test_every_option_that_a_message_names_exists",
    ),
    Mutation(
        "app/cells.py",
        "values.is_infinite()",
        "values.is_nan()",
        "app/test_tables.py::test_a_fault_in_parquet_is_named_by_its_row",
    ),
    Mutation(
        "app/layout.py",
        "if records[i].after_blank]",
        "if False]",
        "app/test_table_layouts.py::test_what_is_not_data_is_left_out_and_reported",
    ),
    Mutation(
        "app/layout.py",
        "start, units = start + 1, records[start].line",
        "start = start + 0",
        "app/test_table_layouts.py::test_what_is_not_data_is_left_out_and_reported",
    ),
    Mutation(
        "app/layout.py",
        "if not rest or _is_data(records[rest[0]], values):",
        "if True:",
        "app/test_table_layouts.py::test_what_is_left_open_is_refused_with_its_line",
    ),
    Mutation(
        "app/footer.py",
        "if total is not None and (first not in row or total == first):",
        "if False:",
        "app/test_table_layouts.py::test_what_is_not_data_is_left_out_and_reported",
    ),
    Mutation(
        "app/footer.py",
        "abs(e - values[-1]) <= _CLOSE * abs(values[-1])",
        "True",
        "app/test_table_layouts.py::test_what_is_left_open_is_refused_with_its_line",
    ),
    Mutation(
        "app/grid.py",
        "c if c.isprintable() else",
        "c if True else",
        "app/test_table_layouts.py::test_what_is_left_open_is_refused_with_its_line",
    ),
    Mutation(
        "app/delimited.py",
        "given = _SEPARATOR_LINE.match(text)",
        "given = None",
        "app/test_table_layouts.py::test_what_is_not_data_is_left_out_and_reported",
    ),
    Mutation(
        "app/delimited.py",
        "len(cells) > MOST_COLUMNS",
        "False",
        "app/test_file_limits.py::test_cells_and_columns_have_limits",
    ),
    Mutation(
        "app/delimited.py",
        "(longest > LONGEST_CELL)",
        "(longest > 10 * LONGEST_CELL)",
        "app/test_file_limits.py::test_cells_and_columns_have_limits",
    ),
    Mutation(
        "app/delimited.py",
        "count > MOST_LINES",
        "False",
        "app/test_file_limits.py::test_lines_have_a_limit",
    ),
    Mutation(
        "app/excel.py",
        'r"(\\.\\d{3})$", r"\\g<1>0"',
        'r"(\\.\\d{3})$", r"\\g<1>"',
        "app/test_excel.py::test_typed_numbers_are_never_ambiguous_among_text",
    ),
    Mutation(
        "app/excel.py",
        "check_size(path, sum(names.values()), unpacked=True)",
        "pass",
        "app/test_excel.py::test_a_file_that_is_no_sheet_is_refused",
    ),
    Mutation(
        "app/columns.py",
        "if len(found) > 1 and len(named) != 1:",
        "if False:",
        "app/test_table_layouts.py::test_a_wide_table_has_a_series_in_each_column",
    ),
    Mutation(
        "app/wide.py",
        "filled & ~pl.col(VALUE).str.to_lowercase().is_in(MISSING)",
        "filled",
        "app/test_table_layouts.py::test_generated_tables_that_were_misread",
    ),
    Mutation(
        "data/numbers.py",
        'pl.when("negative").then(-value)',
        'pl.when("negative").then(value)',
        "app/test_generated_tables.py::test_generated_tables_are_read_as_they_were_meant",
    ),
    Mutation(
        "app/wide.py",
        "not any(_holds_values(frame[name]) for name in names)",
        "True",
        "app/test_table_layouts.py::test_dates_down_the_rows_are_no_series_in_rows",
    ),
    Mutation(
        "app/tables.py",
        '.replace("/", "\\\\/")',
        "",
        "app/test_table_layouts.py::test_names_of_several_parts_come_apart_again",
    ),
    Mutation(
        "app/cells.py",
        'options.thousands == "" and form.thousands',
        "False",
        "app/test_table_layouts.py::test_numbers_of_two_readings_are_refused_with_the_options_that_decide",
    ),
    Mutation(
        "app/time_columns.py",
        "density(stamps) >= _DENSE",
        "density(stamps) >= 2",
        "app/test_time_columns.py::test_parts_of_dates_are_taken_together",
    ),
    Mutation(
        "app/time_columns.py",
        "not unique or name.strip().lower() in _NAMING",
        "not unique",
        "app/test_time_columns.py::test_what_is_a_date_alone_stays_alone",
    ),
    Mutation(
        "app/times.py",
        "read_dates(cells.to_list(), known, column)",
        "read_dates(cells.to_list(), None, column)",
        "app/test_time_columns.py::test_a_cell_that_contradicts_is_named_by_its_line",
    ),
    Mutation(
        "app/places.py",
        "                self.path = _fresh(self.default)\n",
        "                raise InputError(str(self.path)) from None\n",
        "app/test_places.py::test_two_runs_that_chose_one_default_name_both_keep_their_work",
    ),
    Mutation(
        "app/places.py",
        "if name not in run[",
        "if False and name not in run[",
        "app/test_places.py::test_a_run_replaces_a_run_and_nothing_else",
    ),
    Mutation(
        "app/cli.py",
        '"SIGTERM", ',
        "",
        "app/test_places.py::test_signals_end_a_command_as_ctrl_c_does[SIGTERM]",
    ),
    Mutation(
        "app/cli.py",
        "if len(received) == 2:",
        "if False:",
        "app/test_places.py::test_signals_end_a_command_as_ctrl_c_does[SIGINT]",
    ),
    Mutation(
        "app/screen.py",
        "column.header = _as_text(column.header)",
        "pass",
        "app/test_readable.py::test_what_commands_a_terminal_is_written_out_everywhere[\\x7f]",
    ),
    Mutation(
        "app/learn.py",
        "readable_json(json.dumps(plain(result), ensure_ascii=False, allow_nan=False))",
        "json.dumps(plain(result), ensure_ascii=False, allow_nan=False)",
        "app/test_readable.py::test_what_commands_a_terminal_is_written_out_everywhere[\\x7f]",
    ),
    Mutation(
        "app/report/template.py",
        "autoescape=True",
        "autoescape=False",
        "app/test_readable.py::test_names_are_text_in_a_report[</script><script>alert(1)</script>]",
    ),
    Mutation(
        "app/report/template.py",
        "default-src 'none'; ",
        "",
        "app/test_readable.py::test_a_report_may_show_its_style_sheet_and_do_nothing_else",
    ),
    Mutation(
        "app/cli.py",
        "            raise KeyboardInterrupt\n",
        "            pass\n",
        "app/test_places.py::test_signals_end_a_command_as_ctrl_c_does[SIGTERM]",
    ),
    Mutation(
        "app/tables.py",
        "notes += unused_columns(rows, columns)",
        "notes += []",
        "app/test_table_layouts.py::test_columns_that_are_not_read_are_named",
    ),
]
