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
]
