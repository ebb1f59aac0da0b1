"""Mutations of the contract between cells and kernels."""

from __future__ import annotations

from tests.mutations import Mutation

DIFFERS = "kernels/test_cell_contract.py::test_a_description_that_differs_from_the_kernel_is_refused"

MUTATIONS = [
    Mutation("_core/compiled_cell.py", "if compiled != described:", "if False:", DIFFERS),
    Mutation("_core/reference.py", "        check_compiled(cell)\n", "", DIFFERS),
]
