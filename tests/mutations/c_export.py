"""Mutations of the export to C."""

from __future__ import annotations

from tests.mutations import Mutation

MUTATIONS = [
    Mutation(
        "io/c_export/optimization.py",
        "first.bias = _add(first.bias, second.bias)",
        "first.bias = first.bias",
        "io/c_export/test_agreement.py::test_every_cell_and_option_is_that_of_the_layer[lstm coupled peephole]",
    ),
    Mutation(
        "io/c_export/lowering.py",
        "        if not np.isin(value.array, addresses).any():\n            return value",
        "        if not np.isin(value.array, addresses).any():\n            return _Addresses(value.array[..., ::-1])",
        "io/c_export/test_agreement.py::test_every_cell_and_option_is_that_of_the_layer[rnn]",
    ),
    Mutation(
        "io/c_export/files.py",
        "    if (!is_finite(x, {inputs})) return {upper}_NOT_FINITE;",
        "    (void)is_finite;",
        "io/c_export/test_agreement.py::test_an_input_that_is_not_finite_changes_nothing",
    ),
    Mutation(
        "io/c_export/functions.py",
        "0.0083687098332030176747f",
        "0.0083f",
        "io/c_export/test_functions.py::test_errors_are_within_the_stated_bounds",
    ),
    Mutation(
        "io/c_export/source.py",
        "self.constant_bytes += len(values) *",
        "self.constant_bytes = len(values) *",
        "io/c_export/test_compilers.py::test_the_header_states_the_sizes",
    ),
    Mutation(
        "io/c_export/functions.py",
        "y[row] = bias[row] + scale[row] * sum[j];",
        "y[row] = bias[row] + sum[j];",
        "io/c_export/test_agreement.py::test_int8_weights_have_the_stated_error[gru]",
    ),
    Mutation(
        "io/c_export/names.py",
        'r"[A-Za-z][A-Za-z0-9_]*"',
        'r".*"',
        "io/c_export/test_compilers.py::test_a_name_that_cannot_begin_identifiers_is_refused",
    ),
]
