"""Mutations of files."""

from __future__ import annotations

from tests.mutations import Mutation

ONNX = "conformance/test_onnx.py"
RUNTIME = "test_the_runtime_computes_what_the_layer_does"

MUTATIONS = [
    Mutation(
        "io/keras.py",
        "zip(wanted, groups.items(), strict=True)",
        "zip(wanted[::-1], groups.items(), strict=True)",
        "io/test_keras.py::test_both_directions_and_stacks_find_their_arrays",
    ),
    Mutation("io/onnx.py", "int(layer.reset_after)", "1", f"{ONNX}::{RUNTIME}[GRU-reset_after=False-plain]"),
    Mutation("io/onnx.py", '"Where", empty, b, e', '"Where", empty, e, b', f"{ONNX}::{RUNTIME}[LSTM-plain]"),
]
