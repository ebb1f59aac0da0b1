"""The layers that tests run over: all that are registered, by the names of their classes."""

from __future__ import annotations

from throughtime import nn

NAMES = [layer.__name__ for layer in nn.LAYERS.values()]
OF_TORCH = [layer.__name__ for layer in nn.LAYERS.values() if layer.torch_layer is not None]
OF_ONNX = [layer.__name__ for layer in nn.LAYERS.values() if layer.cell.onnx_gates]
COMPILED = [layer.__name__ for layer in nn.LAYERS.values() if layer.cell.compiled]
