"""The operators of a graph, as functions of numpy: one small function each, by its name in torch.

Element types follow torch (`element_types`), sizes are bounded (`limits`).
"""

from __future__ import annotations

from throughtime.runtime.operators import (  # noqa: F401  they register operators
    creation,
    elementwise,
    indexing,
    products,
    reductions,
    shapes,
    symbols,
)
from throughtime.runtime.operators.limits import Budget
from throughtime.runtime.operators.registry import OPERATORS

__all__ = ["OPERATORS", "Budget"]
