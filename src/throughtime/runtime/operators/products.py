"""Products, and layers made of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime.runtime.operators.limits import require_broadcast, require_size
from throughtime.runtime.operators.reductions import softmax
from throughtime.runtime.operators.registry import register

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = np.ndarray


@register("matmul", "mm", "bmm", "dot", "mv")
def _matmul(a: Array, b: Array) -> Array:
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    require_size(*batch, *a.shape[-2:-1], *(b.shape[-1:] if b.ndim > 1 else ()))
    return np.matmul(a, b)


@register("linear")
def _linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    if x.ndim > 2:  # one large product, not many small ones
        return _linear(x.reshape(-1, x.shape[-1]), weight, bias).reshape(*x.shape[:-1], *weight.shape[:-1])
    y = _matmul(x, weight.T)
    return y if bias is None else y + bias


@register("addmm", "baddbmm")
def _addmm(x: Array, a: Array, b: Array, *, beta: float = 1, alpha: float = 1) -> Array:
    product = _matmul(a, b)
    require_broadcast([x, product])
    return _times(x, beta) + _times(product, alpha)


def _times(x: Array, factor: float) -> Array:
    return x if factor == 1 else x * np.asarray(factor, x.dtype)


@register("outer")
def _outer(a: Array, b: Array) -> Array:
    require_size(*a.shape, *b.shape)
    return np.outer(a, b)


@register("einsum")
def _einsum(equation: str, arrays: Sequence[Array], *_: Any, **__: Any) -> Array:
    terms = equation.replace(" ", "").split("->")[0].split(",")
    sizes = {letter: size for term, x in zip(terms, arrays, strict=True) for letter, size in zip(term, x.shape)}  # noqa: B905
    if "." in equation or len(arrays) > 2:
        require_size(*(x.size for x in arrays))
    else:
        require_size(*sizes.values())
    return np.einsum(equation, *arrays)


@register("embedding")
def _embedding(weight: Array, indices: Array, *_: Any) -> Array:
    require_size(*indices.shape, *weight.shape[1:])
    if indices.size and not 0 <= indices.min() <= indices.max() < len(weight):
        bad = indices.min() if indices.min() < 0 else indices.max()
        raise ValueError(f"expected numbers from 0 to {len(weight) - 1}, got {bad}")
    return weight[indices]


@register("layer_norm")
def _layer_norm(
    x: Array, shape: Sequence[int], weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5, *_: Any
) -> Array:
    axes = tuple(range(-len(shape), 0))
    y = (x - np.mean(x, axes, keepdims=True)) / np.sqrt(np.var(x, axes, keepdims=True) + np.asarray(eps, x.dtype))
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


@register("rms_norm")
def _rms_norm(x: Array, shape: Sequence[int], weight: Array | None = None, eps: float | None = None) -> Array:
    axes = tuple(range(-len(shape), 0))
    eps = float(np.finfo(x.dtype).eps) if eps is None else eps
    y = x / np.sqrt(np.mean(x * x, axes, keepdims=True) + np.asarray(eps, x.dtype))
    return y if weight is None else y * weight


@register("group_norm")
def _group_norm(
    x: Array, groups: int, weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5, *_: Any
) -> Array:
    y = x.reshape(len(x), groups, -1)
    y = ((y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + np.asarray(eps, x.dtype))).reshape(
        x.shape
    )
    shape = (1, -1, *(1,) * (x.ndim - 2))
    y = y if weight is None else y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


@register("batch_norm")
def _batch_norm(
    x: Array,
    weight: Any,
    bias: Any,
    mean: Array,
    variance: Array,
    training: bool,  # noqa: ARG001  false in evaluation
    momentum: float,  # noqa: ARG001
    eps: float,
    *_: Any,
) -> Array:
    shape = (1, -1, *(1,) * (x.ndim - 2))
    y = (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + np.asarray(eps, x.dtype))
    y = y if weight is None else y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


@register("_native_batch_norm_legit_no_training")
def _native_batch_norm(
    x: Array, weight: Any, bias: Any, mean: Array, variance: Array, momentum: float, eps: float
) -> list[Array]:
    empty = np.zeros(0, x.dtype)
    return [_batch_norm(x, weight, bias, mean, variance, False, momentum, eps), empty, empty]  # noqa: FBT003


@register("conv1d", "conv1d.padding")
def _conv1d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sequence[int] = (1,),
    padding: Sequence[int] | str = (0,),
    dilation: Sequence[int] = (1,),
    groups: int = 1,
) -> Array:
    if x.ndim == 2:
        return _conv1d(x[None], weight, bias, stride, padding, dilation, groups)[0]
    reach = dilation[0] * (weight.shape[-1] - 1) + 1
    before, after = (padding[0], padding[0]) if not isinstance(padding, str) else (0, 0)
    if padding == "same":
        before, after = (reach - 1) // 2, reach - 1 - (reach - 1) // 2
    require_size(len(x), x.shape[1], x.shape[2] + before + after, weight.shape[-1])
    padded = np.pad(x, ((0, 0), (0, 0), (before, after)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach, -1)[:, :, :: stride[0], :: dilation[0]]
    parts = windows.reshape(len(x), groups, -1, *windows.shape[2:])
    filters = weight.reshape(groups, -1, *weight.shape[1:])
    y = np.einsum("ngctk,gock->ngot", parts, filters, optimize=True).reshape(len(x), len(weight), -1)
    return y if bias is None else y + bias[:, None]


@register("scaled_dot_product_attention")
def _attention(
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None = None,
    dropout: float = 0.0,  # noqa: ARG001
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,  # noqa: ARG001
) -> Array:
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = _matmul(query, np.swapaxes(key, -1, -2)) * np.asarray(factor, query.dtype)
    if is_causal:
        mask = np.tril(np.ones(scores.shape[-2:], np.bool_))
    if mask is not None:
        require_broadcast([mask, scores])
        scores = np.where(mask, scores, np.asarray(-np.inf, scores.dtype)) if mask.dtype == np.bool_ else scores + mask
    return _matmul(softmax(scores, -1), value)
