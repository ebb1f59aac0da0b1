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
]
