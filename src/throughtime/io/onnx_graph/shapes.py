"""Operators that arrange, pick and make elements, in ONNX."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError
from throughtime.io.onnx_graph.translator import Ref, translates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughtime.io.onnx_graph.translator import Translator

_END = 2**63 - 1


@translates("sym_size.int")
def _size(t: Translator, x: Ref, axis: int) -> str:
    return t.add("Squeeze", t.size(x, axis), t.constant([0]))


@translates("sym_numel")
def _count(t: Translator, x: Ref) -> str:
    return t.add("Size", x.name)


@translates("reshape")
def _reshape(t: Translator, x: Ref, sizes: Sequence[Any]) -> str:
    return t.add("Reshape", x.name, t.sizes(sizes), allowzero=int(-1 not in sizes))


@translates("flatten.using_ints")
def _flatten(t: Translator, x: Ref, start: int = 0, end: int = -1) -> str:
    if not x.ndim:
        return t.add("Reshape", x.name, t.constant([1]))
    start, end = start % x.ndim, end % x.ndim
    parts = [t.add("Shape", x.name, end=start), t.constant([-1]), t.add("Shape", x.name, start=end + 1)]
    return t.add("Reshape", x.name, t.add("Concat", *parts, axis=0))


@translates("unflatten.int")
def _unflatten(t: Translator, x: Ref, axis: int, sizes: Sequence[Any]) -> str:
    axis %= x.ndim
    parts = [t.add("Shape", x.name, end=axis), t.sizes(sizes), t.add("Shape", x.name, start=axis + 1)]
    return t.add("Reshape", x.name, t.add("Concat", *parts, axis=0))


@translates("expand", "broadcast_to")
def _expand(t: Translator, x: Ref, sizes: Sequence[Any], *, implicit: bool = False) -> str:  # noqa: ARG001
    kept = [1 if not isinstance(size, Ref) and size == -1 else size for size in sizes]  # 1 keeps a size in ONNX
    return t.add("Expand", x.name, t.sizes(kept))


@translates("expand_as")
def _expand_as(t: Translator, x: Ref, other: Ref) -> str:
    return t.add("Expand", x.name, t.shape(other))


@translates("unsqueeze")
def _unsqueeze(t: Translator, x: Ref, axis: int) -> str:
    return t.add("Unsqueeze", x.name, t.constant([axis]))


@translates("squeeze", "squeeze.dim", "squeeze.dims")
def _squeeze(t: Translator, x: Ref, axes: Any = None) -> str:
    candidates = range(x.ndim) if axes is None else [axes] if isinstance(axes, int) else axes
    chosen = [axis for axis in candidates if x.ndim and np.shape(x.sample)[axis] == 1]
    return t.add("Squeeze", x.name, t.constant(chosen)) if chosen else x.name


@translates("permute")
def _permute(t: Translator, x: Ref, axes: Sequence[int]) -> str:
    return t.add("Transpose", x.name, perm=[axis % x.ndim for axis in axes])


@translates("transpose.int")
def _transpose(t: Translator, x: Ref, a: int, b: int) -> str:
    axes = [*range(x.ndim)]
    if axes:
        axes[a], axes[b] = axes[b], axes[a]
    return t.add("Transpose", x.name, perm=axes)


@translates("movedim.int", "movedim.intlist")
def _move_axes(t: Translator, x: Ref, source: Any, target: Any) -> str:
    sizes = np.moveaxis(np.empty(range(1, x.ndim + 1)), source, target).shape  # each axis has a size of its own
    return t.add("Transpose", x.name, perm=[size - 1 for size in sizes])


@translates("t", "numpy_T")
def _t(t: Translator, x: Ref) -> str:
    return t.add("Transpose", x.name, perm=[*range(x.ndim)][::-1])


@translates("cat", "concat")
def _cat(t: Translator, values: Sequence[Ref], axis: int = 0) -> str:
    kept = [value for value in values if np.shape(value.sample) != (0,)] or [*values[:1]]
    return t.add("Concat", *t.promote(*kept)[0], axis=axis)


@translates("stack")
def _stack(t: Translator, values: Sequence[Ref], axis: int = 0) -> str:
    axis %= values[0].ndim + 1
    names, _ = t.promote(*values)
    return t.add("Concat", *(t.add("Unsqueeze", name, t.constant([axis])) for name in names), axis=axis)


def _cut(t: Translator, x: Ref, axis: int, start: Any, end: Any, step: int = 1) -> str:
    return t.add("Slice", x.name, t.number(start), t.number(end), t.constant([axis]), t.constant([step]))


@translates("unbind.int")
def _unbind(t: Translator, x: Ref, axis: int = 0) -> list[str]:
    count = np.shape(x.sample)[axis]
    return [t.add("Gather", x.name, t.constant(i), axis=axis) for i in range(count)]


@translates("split.Tensor")
def _split(t: Translator, x: Ref, size: int, axis: int = 0) -> list[str]:
    count = -(-np.shape(x.sample)[axis] // size)
    return [_cut(t, x, axis, i * size, (i + 1) * size) for i in range(count)]


@translates("split_with_sizes", "split.sizes")
def _split_with_sizes(t: Translator, x: Ref, sizes: Sequence[int], axis: int = 0) -> list[str]:
    ends = np.cumsum(sizes)
    return [_cut(t, x, axis, int(end) - size, int(end)) for size, end in zip(sizes, ends, strict=True)]


@translates("chunk")
def _chunk(t: Translator, x: Ref, chunks: int, axis: int = 0) -> list[str]:
    return _split(t, x, -(-np.shape(x.sample)[axis] // chunks), axis)


@translates("slice.Tensor")
def _slice(t: Translator, x: Ref, axis: int = 0, start: Any = None, end: Any = None, step: int = 1) -> str:
    start, end = 0 if start is None else start, _END if end is None else end
    if not isinstance(start, Ref) and start == 0 and not isinstance(end, Ref) and end == _END and step == 1:
        return x.name
    return _cut(t, x, axis, start, end, step)


@translates("select.int")
def _select(t: Translator, x: Ref, axis: int, index: Any) -> str:
    return t.add("Gather", x.name, index.name if isinstance(index, Ref) else t.constant(index), axis=axis)


@translates("narrow")
def _narrow(t: Translator, x: Ref, axis: int, start: int, length: int) -> str:
    if isinstance(start, Ref) or isinstance(length, Ref):
        raise InputError("a slice with a start that is not known before has no counterpart in ONNX here")
    return _cut(t, x, axis, start, start + length)


@translates("index.Tensor")
def _index(t: Translator, x: Ref, indices: Sequence[Ref | None]) -> str:
    chosen = [(axis, index) for axis, index in enumerate(indices) if index is not None]
    if any(index.dtype.kind == "b" for _, index in chosen):
        raise InputError("an index by a mask has a shape that depends on values; use torch.where")
    if len(chosen) == 1:
        axis, index = chosen[0]
        return t.add("Gather", x.name, index.name, axis=axis)
    if [axis for axis, _ in chosen] != [*range(len(chosen))]:
        raise InputError("an index of several dimensions that are not the first has no counterpart in ONNX here")
    total = chosen[0][1].name
    for _, index in chosen[1:]:
        total = t.add("Add", total, index.name)
    common = t.add("Shape", total)
    parts = [t.add("Unsqueeze", t.add("Expand", i.name, common), t.constant([-1])) for _, i in chosen]
    return t.add("GatherND", x.name, t.add("Concat", *parts, axis=-1))


@translates("index_select")
def _index_select(t: Translator, x: Ref, axis: int, index: Ref) -> str:
    return t.add("Gather", x.name, index.name, axis=axis)


@translates("gather")
def _gather(t: Translator, x: Ref, axis: int, index: Ref, *, sparse_grad: bool = False) -> str:  # noqa: ARG001
    return t.add("GatherElements", x.name, index.name, axis=axis)


@translates("select_scatter")
def _select_scatter(t: Translator, x: Ref, values: Ref, axis: int, index: int) -> str:
    whole = Ref(t.add("Unsqueeze", values.name, t.constant([axis])), None)
    return _replaced(t, x, whole.name, axis, index, index + 1 if index != -1 else _END)


@translates("slice_scatter")
def _slice_scatter(
    t: Translator, x: Ref, values: Ref, axis: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> str:
    start, end = 0 if start is None else start, _END if end is None else end
    if step != 1:
        raise InputError("an assignment to every k-th element has no counterpart in ONNX here")
    return values.name if (start, end) == (0, _END) else _replaced(t, x, values.name, axis, start, end)


def _replaced(t: Translator, x: Ref, values: str, axis: int, start: int, end: int) -> str:
    parts = [_cut(t, x, axis, 0, start), values, *([] if end == _END else [_cut(t, x, axis, end, _END)])]
    return t.add("Concat", *parts, axis=axis)


@translates("flip")
def _flip(t: Translator, x: Ref, axes: Sequence[int]) -> str:
    count = len(axes)
    starts, ends, steps = t.constant([-1] * count), t.constant([-_END] * count), t.constant([-1] * count)
    return t.add("Slice", x.name, starts, ends, t.constant([*axes]), steps)


@translates("repeat")
def _repeat(t: Translator, x: Ref, repeats: Sequence[Any]) -> str:
    name = x.name
    if len(repeats) > x.ndim:
        name = t.add("Unsqueeze", name, t.constant([*range(len(repeats) - x.ndim)]))
    return t.add("Tile", name, t.sizes(repeats))


@translates("constant_pad_nd")
def _pad(t: Translator, x: Ref, pad: Sequence[int], value: float = 0) -> str:
    before, after = [0] * x.ndim, [0] * x.ndim
    for i in range(0, len(pad), 2):
        before[-1 - i // 2], after[-1 - i // 2] = pad[i], pad[i + 1]
    return t.add("Pad", x.name, t.constant([*before, *after]), t.constant(value, x.dtype))


@translates("pad")
def _pad_mode(t: Translator, x: Ref, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> str:
    if mode != "constant":
        raise InputError(f"padding by {mode!r} has no counterpart in ONNX here")
    return _pad(t, x, pad, value or 0)


@translates("unfold")
def _unfold(t: Translator, x: Ref, axis: int, size: int, step: int) -> str:
    axis %= x.ndim
    last = t.add("Sub", _size(t, x, axis), t.constant(size - 1))
    starts = t.add("Range", t.constant(0), last, t.constant(step))
    index = t.add("Add", t.add("Unsqueeze", starts, t.constant([1])), t.constant(np.arange(size)))
    windows = t.add("Gather", x.name, index, axis=axis)  # (…, windows, size, …)
    axes = [*range(x.ndim + 1)]
    axes.append(axes.pop(axis + 1))
    return t.add("Transpose", windows, perm=axes)


@translates("tril")
def _tril(t: Translator, x: Ref, diagonal: int = 0) -> str:
    return t.add("Trilu", x.name, t.constant(diagonal), upper=0)


@translates("triu")
def _triu(t: Translator, x: Ref, diagonal: int = 0) -> str:
    return t.add("Trilu", x.name, t.constant(diagonal), upper=1)


@translates("one_hot")
def _one_hot(t: Translator, x: Ref, classes: int = -1) -> str:
    if classes == -1:
        raise InputError("one_hot without a number of classes has a shape that depends on values")
    equal = t.add("Equal", t.add("Unsqueeze", x.name, t.constant([-1])), t.constant(np.arange(classes)))
    return t.add("Cast", equal, to=t.kind(np.int64))


@translates("arange", "arange.start", "arange.start_step")
def _arange(t: Translator, *bounds: Any, dtype: Any = None, **_: Any) -> str:
    start, end, step = (0, *bounds, 1) if len(bounds) == 1 else (*bounds, 1)[:3]
    kind = np.float32 if any(isinstance(bound, float) for bound in bounds) else np.int64
    values = t.add("Range", *(t.cast(bound, kind) for bound in (start, end, step)))
    return values if dtype is None or dtype == kind else t.add("Cast", values, to=t.kind(dtype))


def _filled(t: Translator, sizes: str, value: Any, dtype: Any) -> str:
    return t.add("Expand", t.constant(value, dtype), sizes)


@translates("full")
def _full(t: Translator, sizes: Sequence[Any], value: Any, *, dtype: Any = None, **_: Any) -> str:
    kind = np.bool_ if isinstance(value, bool) else np.int64 if isinstance(value, int) else np.float32
    return _filled(t, t.sizes(sizes), value, dtype or kind)


@translates("zeros", "empty.memory_format", "empty")
def _zeros(t: Translator, sizes: Sequence[Any], *, dtype: Any = None, **_: Any) -> str:
    return _filled(t, t.sizes(sizes), 0, dtype or np.float32)


@translates("ones")
def _ones(t: Translator, sizes: Sequence[Any], *, dtype: Any = None, **_: Any) -> str:
    return _filled(t, t.sizes(sizes), 1, dtype or np.float32)


@translates("scalar_tensor")
def _scalar(t: Translator, value: Any, *, dtype: Any = None, **_: Any) -> str:
    return t.cast(value, np.dtype(dtype or np.float32))


@translates("full_like", "fill.Scalar")
def _full_like(t: Translator, x: Ref, value: Any, *, dtype: Any = None, **_: Any) -> str:
    return _filled(t, t.shape(x), value, dtype or x.dtype)


@translates("fill.Tensor")
def _fill(t: Translator, x: Ref, value: Ref) -> str:
    return t.add("Expand", t.cast(value, x.dtype), t.shape(x))


@translates("zeros_like", "empty_like")
def _zeros_like(t: Translator, x: Ref, *, dtype: Any = None, **_: Any) -> str:
    return _full_like(t, x, 0, dtype=dtype)


@translates("ones_like")
def _ones_like(t: Translator, x: Ref, *, dtype: Any = None, **_: Any) -> str:
    return _full_like(t, x, 1, dtype=dtype)


@translates("new_full")
def _new_full(t: Translator, x: Ref, sizes: Sequence[Any], value: Any, *, dtype: Any = None, **_: Any) -> str:
    return _filled(t, t.sizes(sizes), value, dtype or x.dtype)


@translates("new_zeros", "new_empty")
def _new_zeros(t: Translator, x: Ref, sizes: Sequence[Any], *, dtype: Any = None, **_: Any) -> str:
    return _new_full(t, x, sizes, 0, dtype=dtype)


@translates("new_ones")
def _new_ones(t: Translator, x: Ref, sizes: Sequence[Any], *, dtype: Any = None, **_: Any) -> str:
    return _new_full(t, x, sizes, 1, dtype=dtype)
