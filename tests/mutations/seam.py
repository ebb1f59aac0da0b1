"""Mutations of the checks between the layers and the kernels."""

from __future__ import annotations

from tests.mutations import Mutation

SEAM = "kernels/test_seam.py"
SIZES = "test_batch_sizes_that_are_not_those_of_the_data_are_refused"
ORDERS = "test_orders_of_a_packed_sequence_hold_each_row_once"

MUTATIONS = [
    Mutation("_core/lengths.py", "if not rows >= numbers[0] >= numbers[-1] >= 1 or", "if", f"{SEAM}::{SIZES}[zero]"),
    Mutation(
        "_core/lengths.py", "or numbers != sorted(numbers, reverse=True)", "", f"{SEAM}::{SIZES}[they rise in between]"
    ),
    Mutation("_core/lengths.py", "if sum(numbers) != rows:", "if sum(numbers) > rows:", f"{SEAM}::{SIZES}[fewer]"),
    Mutation("_core/lengths.py", "if not is_index or sorted(", "if is_index and sorted(", f"{SEAM}::{ORDERS}"),
    Mutation("_core/lengths.py", "orders[0][position] != row", "orders[0][position] == row", f"{SEAM}::{ORDERS}"),
    Mutation(
        "_core/weights.py",
        "value.shape != shape:\n                letters",
        "value.dim() != len(shape):\n                letters",
        f"{SEAM}::test_a_weight_of_another_shape_is_named",
    ),
    Mutation(
        "_core/weights.py",
        "if value.dtype is not x.dtype or",
        "if",
        f"{SEAM}::test_a_weight_of_another_element_type_is_named",
    ),
    Mutation(
        "_core/_scan.py",
        "lengths, () if spec is None else spec.sizes)",
        "lengths, ())",
        f"{SEAM}::test_weights_that_fit_each_other_but_not_the_layer_are_refused[GRU]",
    ),
    Mutation(
        "training/_fused.py",
        "            layer.check_weights(number)\n",
        "            pass\n",
        f"{SEAM}::test_the_training_engine_names_a_weight_of_another_shape",
    ),
]
