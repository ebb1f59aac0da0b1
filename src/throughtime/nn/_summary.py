"""A model as a table: its layers, the shapes of their outputs, how many weights they have, and their paths."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


@runtime_checkable
class _Recurrent(Protocol):
    """A layer that takes the kernels or the reference path."""

    def path(self, x: Tensor) -> str: ...


class SummaryRow(NamedTuple):
    """One layer of a model.

    Attributes:
        name: in the model, such as 'layer'; empty for the model itself.
        layer: its class and arguments.
        output: the shape of its output, where the model was run.
        weights: their number; those that an earlier row has seen are not seen again.
        path: of a recurrent layer that was run, 'kernel' or 'reference' and why; see `which_path`.
    """

    name: str
    layer: str
    output: tuple[int, ...] | None
    weights: int
    path: str

    def as_text(self) -> tuple[str, ...]:
        """Return the text of each column."""
        output = "" if self.output is None else str(self.output)
        return self.name, self.layer, output, f"{self.weights:,}", self.path


@dataclass(frozen=True)
class Summary:
    """The layers of a model: a table as text, and in a notebook.

    Attributes:
        rows: the layers, in the order of the model.
        trainable: number of weights that training changes.
    """

    rows: list[SummaryRow]
    trainable: int

    @property
    def weights(self) -> int:
        """The number of weights of the model."""
        return sum(row.weights for row in self.rows)

    def __str__(self) -> str:
        names, lines = self._columns()
        widths = [max(map(len, column)) for column in zip(names, *lines, strict=True)]
        lines = [names, tuple("-" * width for width in widths), *lines]
        justified = ((str.rjust if n == "weights" else str.ljust for n in names) for _ in lines)
        text = (
            "  ".join(f(cell, width) for f, cell, width in zip(fs, line, widths, strict=True)).rstrip()
            for fs, line in zip(justified, lines, strict=True)
        )
        return "\n".join([*text, self._total()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return the table as HTML."""
        names, lines = self._columns()
        head, *body = (
            "".join(f"<{tag} style='text-align: left'>{escape(cell)}</{tag}>" for cell in line)
            for tag, line in (("th", names), *(("td", line) for line in lines))
        )
        rows = "".join(f"<tr>{line}</tr>" for line in body)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table><p>{self._total()}</p>"

    def _columns(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return the names of the columns that are not empty, and their rows."""
        lines = [row.as_text() for row in self.rows]
        shown = [i for i, name in enumerate(SummaryRow._fields) if name == "weights" or any(line[i] for line in lines)]
        return tuple(SummaryRow._fields[i] for i in shown), [tuple(line[i] for i in shown) for line in lines]

    def _total(self) -> str:
        fixed = self.weights - self.trainable
        return f"{self.weights:,} weights" + (f", {fixed:,} of them fixed" if fixed else "")


def summary(model: nn.Module, x: Tensor | None = None, **options: Any) -> Summary:
    """Summarize the layers of a model.

    Args:
        model: any module.
        x: an input; with it the model is run once, without gradients, for the shapes of outputs and the paths of
            recurrent layers.
        options: further arguments of the model, such as `lengths`.

    >>> import torch
    >>> from throughtime import nn
    >>> nn.summary(nn.ManyToMany(nn.GRU(1, 16), 1))
    name    layer                                              weights
    ------  -------------------------------------------------  -------
    layer   GRU(1, 16)                                             912
    output  Output(in_features=16, out_features=1, bias=True)       17
    929 weights
    """
    layers = dict(_layers(model))
    outputs: dict[nn.Module, tuple[int, ...]] = {}
    paths: dict[nn.Module, str] = {}

    def record_outputs(layer: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
        first = output[0] if isinstance(output, tuple) else output
        if isinstance(first, Tensor):
            outputs[layer] = tuple(first.shape)
        x = inputs[0] if inputs else named.get("input")
        if isinstance(layer, _Recurrent) and isinstance(x, Tensor):
            paths[layer] = layer.path(x)

    if x is not None:
        with ExitStack() as hooks, torch.no_grad():
            for layer in layers.values():
                hooks.enter_context(layer.register_forward_hook(record_outputs, with_kwargs=True))
            model(x, **options)
    seen: set[Tensor] = set()
    rows = []
    for name, layer in layers.items():
        own = {*layer.parameters()} - seen
        seen |= own
        weights = sum(parameter.numel() for parameter in own)
        rows.append(SummaryRow(name, repr(layer).partition("\n")[0], outputs.get(layer), weights, paths.get(layer, "")))
    return Summary(rows, sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad))


def _layers(module: nn.Module, name: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield the modules that have weights, or no modules inside; what is inside a module with weights belongs to it."""
    if next(module.parameters(recurse=False), None) is not None or not any(True for _ in module.children()):
        yield name, module
        return
    for inner, child in module.named_children():
        yield from _layers(child, f"{name}.{inner}" if name else inner)
