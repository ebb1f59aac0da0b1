"""Matplotlib figure of a cell: its gates and states, derived from its reference step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from throughtime._core.activations import get_activation
from throughtime._core.errors import InputError, requires
from throughtime._core.reference import CELLS
from throughtime.nn._recurrent import AbstractRecurrent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

    from throughtime._core.cell import Cell

_SYMBOLS = {"add": "+", "mul": "×", "sub": "−", "rsub": "1−", "sigmoid": "σ", "tanh": "tanh", "relu": "relu"}
_COLORS = {  # fill and edge
    "state": ("#dbe8fb", "#2f5fa8"),
    "sum": ("#eef1f4", "#6b7785"),
    "function": ("#fbe6d3", "#b5651d"),
    "operation": ("#ffffff", "#333333"),
}


@dataclass
class CellDiagram:
    """The operations of a step.

    Attributes:
        labels: of the nodes: a state, a sum of products, a function or an operation.
        kinds: 'state', 'sum', 'function' or 'operation'.
        edges: from node to node.
        outputs: the node of each new state, by its name.
        gates: the name of the gate that a node computes.
    """

    labels: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    edges: list[tuple[int, int]] = field(default_factory=list)
    outputs: dict[str, int] = field(default_factory=dict)
    gates: dict[int, str] = field(default_factory=dict)

    def add(self, label: str, kind: str) -> int:
        """Add a node. Returns its number."""
        self.labels.append(label)
        self.kinds.append(kind)
        return len(self.labels) - 1

    def sources(self, node: int) -> list[int]:
        """Return the nodes that a node reads."""
        return [start for start, end in self.edges if end == node]


def plot_cell(cell: str | AbstractRecurrent) -> Figure:
    """Draw one step of a cell: sums of products on the left, gates, and the states before and after it.

    The drawing is derived from the cell's reference step, so it is what is computed.

    Args:
        cell: the name of a cell, such as 'lstm', or a recurrent layer.

    Raises:
        InputError: for an unknown name.
    """
    name = cell.cell.name if isinstance(cell, AbstractRecurrent) else cell
    if name not in CELLS:
        raise InputError(f"cell: expected one of {', '.join(CELLS)}, got {name!r}")
    with requires("forecast", "a picture"):
        from matplotlib import pyplot as plt

    diagram = diagram_of(name)
    columns, rows = _layout(diagram)
    ends = _ends(diagram, columns, rows)
    size = 1.2 * (max(columns) + 2.8), 0.75 * (max([*rows, *ends.values()]) - min(rows) + 1.6)
    figure, ax = plt.subplots(figsize=size, layout="constrained")
    ax.set(xlim=(-1.1, max(columns) + 1.6), ylim=(min(rows) - 0.8, max([*rows, *ends.values()]) + 0.8))
    ax.axis("off")
    described = CELLS[name].cell
    ax.set_title(f"{name}: {described.paper}", fontsize="small", loc="left")
    _draw(ax, diagram, columns, rows, ends)
    return figure


def diagram_of(name: str) -> CellDiagram:
    """Return the operations of a step of a cell."""
    cell, step = CELLS[name]
    gates, f = len(cell.gates), get_activation(cell.activations[0])

    def run(*tensors: Tensor) -> tuple[Any, Any]:
        x, h = tensors[:gates], tensors[gates : 2 * gates]
        state, diagonal = tensors[2 * gates : 2 * gates + len(cell.states)], tensors[2 * gates + len(cell.states) :]
        return step(x, lambda _: h, state, diagonal, f, torch.sigmoid, f)

    count = 2 * gates + len(cell.states) + len(cell.diagonals)
    traced = make_fx(run)(*(torch.ones(2, 3) for _ in range(count)))
    return _StepReader(cell).read(traced.graph)


class _StepReader:
    """Makes a diagram of a traced step."""

    def __init__(self, cell: Cell) -> None:
        self._cell, self._diagram = cell, CellDiagram()
        self._numbers: dict[str, int] = {}
        self._products: dict[str, str] = {}  # what is added up or multiplied, by the name of the traced input

    def read(self, graph: torch.fx.Graph) -> CellDiagram:
        gates, inputs = len(self._cell.gates), [node for node in graph.nodes if node.op == "placeholder"]
        for number, node in enumerate(inputs):
            if number < 2 * gates:
                gate = self._cell.gates[number % gates]
                self._products[node.name] = f"W_{gate} x_t" if number < gates else f"U_{gate} h_{{t-1}}"
            elif number < 2 * gates + len(self._cell.states):
                self._numbers[node.name] = self._diagram.add(self._cell.states[number - 2 * gates], "state")
        for number, node in enumerate(inputs[2 * gates + len(self._cell.states) :]):
            self._products[node.name] = f"p_{self._cell.diagonals[number]}"
        for node in graph.nodes:
            if node.op == "call_function":
                self._add(node)
            elif node.op == "output":
                self._name_outputs(node.args[0])
        return self._diagram

    def _add(self, node: torch.fx.Node) -> None:
        operator = str(node.target).split(".")[1]  # aten.add.Tensor
        symbol, sources = _SYMBOLS.get(operator, operator), [a for a in node.args if isinstance(a, torch.fx.Node)]
        products = [self._products[source.name] for source in sources if source.name in self._products]
        if len(products) == len(sources) == 2 and symbol == "+":
            self._numbers[node.name] = self._diagram.add(" + ".join(products), "sum")
            return
        kind = "operation" if symbol in ("+", "×", "−", "1−") else "function"
        number = self._numbers[node.name] = self._diagram.add(symbol, kind)
        for source in sources:
            product = self._products.get(source.name)
            start = self._numbers[source.name] if product is None else self._diagram.add(product, "sum")
            self._diagram.edges.append((start, number))

    def _name_outputs(self, outputs: Any) -> None:
        states, gates = outputs
        self._diagram.outputs = {
            name: self._numbers[node.name] for name, node in zip(self._cell.states, states, strict=True)
        }
        for name, node in zip(self._cell.gates, gates, strict=True):
            self._diagram.gates[self._numbers[node.name]] = name


def _layout(diagram: CellDiagram) -> tuple[list[float], list[float]]:
    """Return the position of each node: columns by the longest path, rows close to those of the nodes it reads."""
    count = len(diagram.labels)
    depth = [0] * count
    for _ in range(count):
        for start, end in diagram.edges:
            depth[end] = max(depth[end], depth[start] + 1)
    for node in range(count):  # what nobody computes is next to its first reader
        readers = [depth[end] for start, end in diagram.edges if start == node]
        if readers and not diagram.sources(node) and diagram.kinds[node] == "sum":
            depth[node] = min(readers) - 1
    first = [node for node in range(count) if depth[node] == 0]
    rows = [0.0] * count
    for row, node in enumerate(sorted(first, key=lambda n: (diagram.kinds[n] == "state", n))):
        rows[node] = float(row)
    for level in range(1, max(depth) + 1):
        nodes = [node for node in range(count) if depth[node] == level]
        preferred = {n: sum(rows[s] for s in diagram.sources(n)) / max(len(diagram.sources(n)), 1) for n in nodes}
        last = -1e9
        for node in sorted(nodes, key=preferred.__getitem__):
            rows[node] = last = max(preferred[node], last + 1.0)
    return [float(level) for level in depth], rows


def _ends(diagram: CellDiagram, columns: list[float], rows: list[float]) -> dict[str, float]:
    """Return the row of each new state: that of its node, or the next one above where another node is in the way."""
    ends: dict[str, float] = {}
    for name, node in diagram.outputs.items():
        row = rows[node]
        while any(abs(r - row) < 0.6 and c > columns[node] for r, c in zip(rows, columns, strict=True)) or any(
            abs(end - row) < 0.6 for end in ends.values()
        ):
            row += 0.5
        ends[name] = row
    return ends


def _draw(ax: Axes, diagram: CellDiagram, columns: list[float], rows: list[float], ends: dict[str, float]) -> None:
    from matplotlib.patches import FancyArrowPatch

    arrow: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 9, "color": "#6b7785", "linewidth": 1.1}
    for start, end in diagram.edges:
        points = (columns[start], rows[start]), (columns[end], rows[end])
        ax.add_patch(FancyArrowPatch(*points, shrinkA=15, shrinkB=15, zorder=1, **arrow))
    for node, (label, kind) in enumerate(zip(diagram.labels, diagram.kinds, strict=True)):
        fill, edge = _COLORS[kind]
        box = {"boxstyle": "circle,pad=0.3" if kind == "operation" else "round,pad=0.35", "fc": fill, "ec": edge}
        if kind == "state" and all(start != node for start, _ in diagram.edges):
            continue  # only the products read it
        text = f"${label}_{{t-1}}$" if kind == "state" else f"${label}$" if kind == "sum" else label
        ax.text(columns[node], rows[node], text, ha="center", va="center", bbox=box, fontsize=10, zorder=3)
        if node in diagram.gates:
            name = diagram.gates[node]
            ax.text(columns[node], rows[node] + 0.38, f"${name}_t$", ha="center", fontsize=9, color="#b5651d", zorder=3)
    right, (fill, edge) = max(columns) + 1.1, _COLORS["state"]
    box = {"boxstyle": "round,pad=0.35", "fc": fill, "ec": edge}
    for name, node in diagram.outputs.items():
        start, end = (columns[node], rows[node]), (right, ends[name])
        bend = "arc3,rad=0" if start[1] == end[1] else "angle3,angleA=60,angleB=0"
        ax.add_patch(FancyArrowPatch(start, end, connectionstyle=bend, shrinkA=15, shrinkB=12, zorder=1, **arrow))
        ax.text(*end, f"${name}_t$", ha="center", va="center", bbox=box, zorder=3)
