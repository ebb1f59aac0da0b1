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
]
