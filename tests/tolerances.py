"""The one table of tolerances: how far a result may be from what is expected, by operation and element type.

A number t allows errors of t times the greatest magnitude in the expected tensor, or of t where that is below one:
where large terms of a sum cancel, the rounding of the terms remains. Zero asks for the same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

TOLERANCES: dict[str, dict[torch.dtype, float]] = {
    # The promise of the drop-in layers, over their whole grid. A sum of H products rounds by about sqrt(H) ulp each
    # step, and the gates do not amplify it: 6e-7 and 1e-15 were measured.
    "forward": {torch.float32: 1e-5, torch.float64: 1e-10, torch.bfloat16: 2e-2},
    # The same. Weight gradients sum T*N products in another order than torch: 3e-6 and 4e-15 were measured.
    "gradient": {torch.float32: 1e-5, torch.float64: 1e-10, torch.bfloat16: 5e-2},
    # Weights after a few dozen updates: each update adds a gradient's error times the learning rate.
    "update": {torch.float32: 1e-4, torch.float64: 1e-10},
    # A gradient compared with a difference of losses in float64 with steps of 1e-6.
    "difference": {torch.float64: 1e-7},
    # Layers on other devices than the CPU, whose products may be in TF32.
    "device": {torch.float32: 1e-3},
    # Promised bit for bit: threads, batch splits, time cuts, saving and loading, resuming.
    "exact": {torch.float32: 0.0, torch.float64: 0.0, torch.bfloat16: 0.0},
    # Figures of data and metrics, computed twice in float64 by different formulas.
    "metric": {torch.float64: 1e-9, torch.float32: 1e-5},
}


def assert_close(actual: Any, expected: Any, operation: str) -> None:
    """Require that tensors, arrays or nested tuples, lists and dicts of them agree as far as the table demands."""
    pairs = list(zip(_leaves(actual), _leaves(expected), strict=True))
    assert pairs, "nothing to compare"
    for (name, a), (expected_name, e) in pairs:
        assert name == expected_name
        tolerance = _tolerance(e, operation)
        torch.testing.assert_close(
            a, e, rtol=0.0, atol=tolerance, msg=lambda text, name=name: f"{operation}{name}: {text}"
        )


def _tolerance(expected: torch.Tensor, operation: str) -> float:
    if not expected.dtype.is_floating_point:
        return 0.0
    magnitudes = expected[expected.isfinite()].abs()
    return TOLERANCES[operation][expected.dtype] * max(1.0, magnitudes.max().item() if magnitudes.numel() else 0.0)


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(value, dict):
        for key in sorted(value):
            yield from _leaves(value[key], f"{name}[{key!r}]")
    elif isinstance(value, (tuple, list)):
        for position, item in enumerate(value):
            yield from _leaves(item, f"{name}[{position}]")
    else:
        assert isinstance(value, (torch.Tensor, np.ndarray, float, int)), f"{name}: cannot compare {type(value)}"
        yield name, torch.as_tensor(np.float64(value) if isinstance(value, float) else value).detach()
