"""Products, and layers made of them, in ONNX."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError
from throughtime.io.onnx_graph.reductions import softmax
from throughtime.io.onnx_graph.translator import Ref, translates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughtime.io.onnx_graph.translator import Translator


@translates("matmul", "mm", "bmm", "dot", "mv")
def _matmul(t: Translator, a: Ref, b: Ref) -> str:
    return t.add("MatMul", a.name, b.name)


@translates("linear")
def _linear(t: Translator, x: Ref, weight: Ref, bias: Ref | None = None) -> str:
    if weight.constant is not None:
        transposed = t.constant(weight.constant.T, weight.dtype)
    else:
        transposed = t.add("Transpose", weight.name, perm=[1, 0])
    y = t.add("MatMul", x.name, transposed)
    return y if bias is None else t.add("Add", y, bias.name)


@translates("addmm", "baddbmm")
def _addmm(t: Translator, x: Ref, a: Ref, b: Ref, *, beta: float = 1, alpha: float = 1) -> str:
    product = t.add("MatMul", a.name, b.name)
    product = product if alpha == 1 else t.add("Mul", product, t.constant(alpha, x.dtype))
    return t.add("Add", x.name if beta == 1 else t.add("Mul", x.name, t.constant(beta, x.dtype)), product)


@translates("outer")
def _outer(t: Translator, a: Ref, b: Ref) -> str:
    return t.add("Mul", t.add("Unsqueeze", a.name, t.constant([1])), b.name)


@translates("einsum")
def _einsum(t: Translator, equation: str, values: Sequence[Ref], *_: Any, **__: Any) -> str:
    return t.add("Einsum", *(value.name for value in values), equation=equation)


@translates("embedding")
def _embedding(t: Translator, weight: Ref, indices: Ref, *_: Any) -> str:
    return t.add("Gather", weight.name, indices.name)


def _scaled(t: Translator, y: str, weight: str | None, bias: str | None) -> str:
    y = y if weight is None else t.add("Mul", y, weight)
    return y if bias is None else t.add("Add", y, bias)


@translates("layer_norm")
def _layer_norm(
    t: Translator,
    x: Ref,
    shape: Sequence[int],
    weight: Ref | None = None,
    bias: Ref | None = None,
    eps: float = 1e-5,
    *_: Any,
) -> str:
    axes = [*range(-len(shape), 0)]
    rest = t.add("Sub", x.name, t.add("ReduceMean", x.name, axes=axes))
    variance = t.add("ReduceMean", t.add("Mul", rest, rest), axes=axes)
    y = t.add("Div", rest, t.add("Sqrt", t.add("Add", variance, t.constant(eps, x.dtype))))
    return _scaled(t, y, weight and weight.name, bias and bias.name)


@translates("batch_norm")
def _batch_norm(
    t: Translator,
    x: Ref,
    weight: Ref | None,
    bias: Ref | None,
    mean: Ref,
    variance: Ref,
    training: bool,  # noqa: ARG001  false in evaluation
    momentum: float,  # noqa: ARG001
    eps: float,
    *_: Any,
) -> str:
    shape = t.constant([1, -1, *[1] * (x.ndim - 2)])

    def column(value: Ref | None) -> str | None:
        return None if value is None else t.add("Reshape", value.name, shape)

    deviation = t.add("Sqrt", t.add("Add", t.add("Reshape", variance.name, shape), t.constant(eps, x.dtype)))
    y = t.add("Div", t.add("Sub", x.name, t.add("Reshape", mean.name, shape)), deviation)
    return _scaled(t, y, column(weight), column(bias))


@translates("_native_batch_norm_legit_no_training")
def _native_batch_norm(t: Translator, x: Ref, *arguments: Any) -> list[str]:
    *statistics, momentum, eps = arguments
    empty = t.constant([], x.dtype)
    return [_batch_norm(t, x, *statistics, False, momentum, eps), empty, empty]  # noqa: FBT003


@translates("conv1d", "conv1d.padding")
def _conv1d(
    t: Translator,
    x: Ref,
    weight: Ref,
    bias: Ref | None = None,
    stride: Sequence[int] = (1,),
    padding: Sequence[int] | str = (0,),
    dilation: Sequence[int] = (1,),
    groups: int = 1,
) -> str:
    if x.ndim != 3:
        raise InputError("conv1d: expected a batch (N, C, T)")
    reach = dilation[0] * (np.shape(weight.sample)[-1] - 1)
    pads = [reach // 2, reach - reach // 2] if padding == "same" else [0, 0] if padding == "valid" else [*padding] * 2
    inputs = [x.name, weight.name, *([] if bias is None else [bias.name])]
    return t.add("Conv", *inputs, strides=[*stride], pads=pads, dilations=[*dilation], group=groups)


@translates("scaled_dot_product_attention")
def _attention(
    t: Translator,
    query: Ref,
    key: Ref,
    value: Ref,
    mask: Ref | None = None,
    dropout: float = 0.0,  # noqa: ARG001
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,  # noqa: ARG001
) -> str:
    if is_causal:
        raise InputError("attention with is_causal has no counterpart in ONNX here; pass a mask")
    factor = np.shape(query.sample)[-1] ** -0.5 if scale is None else scale
    axes = [*range(key.ndim)]
    axes[-1], axes[-2] = axes[-2], axes[-1]
    scores = t.add("MatMul", query.name, t.add("Transpose", key.name, perm=axes))
    scores = t.add("Mul", scores, t.constant(factor, query.dtype))
    if mask is not None and mask.dtype.kind == "b":
        scores = t.add("Where", mask.name, scores, t.constant(-np.inf, query.dtype))
    elif mask is not None:
        scores = t.add("Add", scores, mask.name)
    return t.add("MatMul", softmax(t, Ref(scores, query.sample), -1), value.name)
