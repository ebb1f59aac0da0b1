"""Mutations of the checks between the layers and the kernels."""

from __future__ import annotations

from tests.mutations import Mutation

SEAM = "kernels/test_seam.py"
SIZES = "test_batch_sizes_that_are_not_those_of_the_data_are_refused"
ORDERS = "test_orders_of_a_packed_sequence_hold_each_row_once"

MUTATIONS = [
    Mutation("_shapes.py", "if not (1 <= last <= first <= rows and", "if not (", f"{SEAM}::{SIZES}[zero]"),
    Mutation("_shapes.py", "bool((sizes[1:] <= sizes[:-1]).all())", "True", f"{SEAM}::{SIZES}[they rise in between]"),
    Mutation("_shapes.py", "if int(offsets[-1]) != rows:", "if int(offsets[-1]) > rows:", f"{SEAM}::{SIZES}[fewer]"),
    Mutation("_shapes.py", "if not (whole and torch.equal(", "if whole and not (torch.equal(", f"{SEAM}::{ORDERS}"),
    Mutation("_shapes.py", "if not torch.equal(sorted_indices.", "if torch.equal(sorted_indices.", f"{SEAM}::{ORDERS}"),
    Mutation(
        "_shapes.py",
        "value.shape != shape:\n                letters",
        "value.dim() != len(shape):\n                letters",
        f"{SEAM}::test_a_weight_of_another_shape_is_named",
    ),
    Mutation(
        "_shapes.py",
        "if value.dtype is not x.dtype or",
        "if",
        f"{SEAM}::test_a_weight_of_another_element_type_is_named",
    ),
    Mutation(
        "_scan.py",
        "None, manner, form.sizes, reverse=False)",
        "None, manner, (), reverse=False)",
        f"{SEAM}::test_weights_that_fit_each_other_but_not_the_layer_are_refused[GRU]",
    ),
    Mutation(
        "training/_compiled.py",
        "            layer.check_weights(number)\n",
        "            pass\n",
        f"{SEAM}::test_the_training_engine_names_a_weight_of_another_shape",
    ),
]
