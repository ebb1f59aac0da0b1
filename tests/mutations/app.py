"""Mutations of the command line and reports."""

from __future__ import annotations

from tests.mutations import Mutation

MUTATIONS = [
    Mutation(
        "app/cells.py",
        "values.is_infinite()",
        "values.is_nan()",
        "app/test_tables.py::test_a_fault_in_parquet_is_named_by_its_row",
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
        "            raise KeyboardInterrupt\n",
        "            pass\n",
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
]
