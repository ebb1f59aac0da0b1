"""Graphs of operators as ONNX models."""

from __future__ import annotations

from throughtime.io.onnx_graph import elementwise, loops, products, reductions, shapes  # noqa: F401  they register
from throughtime.io.onnx_graph.model import Defaults, sample_inputs, to_onnx

__all__ = ["Defaults", "sample_inputs", "to_onnx"]
