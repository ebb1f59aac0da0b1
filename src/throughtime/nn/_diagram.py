"""The drawing of a network, folded and unfolded over time, as nodes and edges of whatever draws them.

A column is a step. From the bottom to the top it has the input, the states of each layer (with two directions one above
the other), and the output. Distances are in units of a column.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from throughtime.nn._recurrent import AbstractRecurrent
from throughtime.nn._replace import with_own_layers
from throughtime.nn.layouts import AbstractLayout, EncoderDecoder, ManyToOne, OneToMany, OneToOne

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

ROW = 1.0  # distance of two rows
_STEP = 1.9  # distance of two columns
_OFFSET = 0.55  # of the states that run backwards, so that arrows pass by the others
_INITIAL = 1.2  # distance of the initial states
_MAX_LAYERS = 4  # that are drawn


class Label(NamedTuple):
    """A symbol with its indices."""

    symbol: str
    below: str = ""
    above: str = ""


class DiagramNode(NamedTuple):
    """A value at a step.

    Attributes:
        x: position of its centre.
        y: position of its centre.
        label: what it is.
        kind: 'input', 'state', 'initial' (a state before the first step), or 'output'.
    """

    x: float
    y: float
    label: Label
    kind: str


class Edge(NamedTuple):
    """An arrow from one node to another.

    Attributes:
        start: index of a node.
        end: index of a node.
        kind: 'weights' between rows, 'recurrent' between steps, 'loop' of a node with itself, 'feedback' of an output
            to the next step, 'fed back' of an output to the input of the same column, or 'attention'.
        label: the weights, where they are named.
        sizes: of the weights.
    """

    start: int
    end: int
    kind: str
    label: Label | None = None
    sizes: tuple[int, ...] = ()


@dataclass
class Diagram:
    """Nodes, and edges between them."""

    nodes: list[DiagramNode] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)

    def add(self, x: float, y: float, label: Label, kind: str) -> int:
        """Add a node. Returns its index."""
        self.nodes.append(DiagramNode(x, y, label, kind))
        return len(self.nodes) - 1


@dataclass(frozen=True)
class Stack:
    """A recurrent layer as it is drawn.

    Attributes:
        cell: name of its cell.
        inputs: I.
        hidden: H.
        units: width of h, P with a projection.
        layers: L.
        directions: D.
        gates: G, blocks of rows in the weights.
    """

    cell: str
    inputs: int
    hidden: int
    units: int
    layers: int
    directions: int
    gates: int

    @classmethod
    def of(cls, layer: AbstractRecurrent) -> Stack:
        """Describe a layer."""
        return cls(
            layer.cell.name,
            layer.input_size,
            layer.hidden_size,
            layer.state_sizes[0],
            layer.num_layers,
            layer.directions,
            len(layer.cell.gates),
        )

    @property
    def rows(self) -> int:
        """Rows of states in a column."""
        return min(self.layers, _MAX_LAYERS) * self.directions


@dataclass(frozen=True)
class Architecture:
    """What a model is: a stack or two, and where outputs leave.

    Attributes:
        shape: 'one to one', 'one to many', 'many to one', 'many to many', or 'encoder and decoder'.
        stack: that reads the inputs.
        outputs: O, or 0 for a layer without an output layer.
        pooling: what the output of many to one reads: 'final', or all steps.
        decoder: the second stack of an encoder and decoder.
        attention: whether the decoder attends to the encoder's outputs.
    """

    shape: str
    stack: Stack
    outputs: int = 0
    pooling: str = "final"
    decoder: Stack | None = None
    attention: bool = False

    @classmethod
    def of(cls, model: nn.Module) -> Architecture:
        """Describe a model: the first network or recurrent layer inside, whatever is around it.

        Raises:
            ValueError: for a model without a recurrent layer.
        """
        for module in with_own_layers(model).modules():
            if isinstance(module, EncoderDecoder):
                decoder = module.decoder
                return cls(
                    "encoder and decoder",
                    Stack.of(module.encoder),
                    decoder.output.out_features,
                    decoder=Stack.of(decoder.layer),
                    attention=module.attention is not None,
                )
            if isinstance(module, AbstractLayout):
                names = {OneToOne: "one to one", OneToMany: "one to many", ManyToOne: "many to one"}
                shape = next((name for kind, name in names.items() if isinstance(module, kind)), "many to many")
                pooling = module.pooling.kind if isinstance(module, ManyToOne) else "final"
                return cls(shape, Stack.of(module.layer), module.output.out_features, pooling)
            if isinstance(module, AbstractRecurrent):
                return cls("many to many", Stack.of(module))
        raise ValueError(
            f"model: expected a recurrent layer of throughtime.nn or torch.nn inside, got {type(model).__name__}"
        )


def fold(architecture: Architecture) -> Diagram:
    """Draw the network folded: one column, with its loops and the sizes of its weights."""
    diagram, x = Diagram(), 0.0
    for stack, name in ((architecture.stack, "x"), (architecture.decoder, "y'")):
        if stack is None:
            continue
        is_last = stack is (architecture.decoder or architecture.stack)
        column = _column(diagram, stack, x, Label(name), "")
        for row, state in enumerate(column.states):
            recurrent = Label("W", "h", _layer_mark(stack, row))
            diagram.edges.append(Edge(state, state, "loop", recurrent, (stack.gates * stack.hidden, stack.units)))
        if is_last and architecture.outputs:
            output = _output(diagram, architecture, stack, x, column, "")
            if architecture.shape in ("one to many", "encoder and decoder"):
                assert column.input is not None
                diagram.edges.append(Edge(output, column.input, "fed back"))
        x += 2.6 + _OFFSET * (stack.directions - 1)
    return diagram


def unfold(architecture: Architecture, steps: int, decoder_steps: int | None = None) -> Diagram:
    """Draw the network unfolded over its steps.

    Args:
        architecture: of the model.
        steps: k, copies of the network; of an encoder, if there is a decoder.
        decoder_steps: copies of the decoder.
    """
    diagram = Diagram()
    columns = [_step(diagram, architecture, architecture.stack, t, _STEP * t) for t in range(steps)]
    _add_initial_states(diagram, architecture.stack, columns)
    _link(diagram, architecture.stack, columns)
    if architecture.shape == "one to many":
        _feed_back(diagram, columns)
    if architecture.decoder is not None:
        _decode(diagram, architecture, columns, _STEP * steps + 0.6, steps if decoder_steps is None else decoder_steps)
    elif architecture.shape == "many to one" and architecture.outputs:
        _pool(diagram, architecture, columns)
    return diagram


class _StepColumn(NamedTuple):
    x: float
    input: int | None
    states: list[int]
    output: int | None = None


def _column(diagram: Diagram, stack: Stack, x: float, label: Label | None, step: str) -> _StepColumn:
    """Add an input and the states above it."""
    below = None if label is None else diagram.add(_middle(stack, x), 0, label, "input")
    states = []
    for row in range(stack.rows):
        label_of = Label("h", step, _layer_mark(stack, row))
        states.append(diagram.add(_state_x(stack, row, x), ROW * (1 + row), label_of, "state"))
        source = below if row < stack.directions else None
        if source is not None:
            sizes = (stack.gates * stack.hidden, stack.inputs)
            label_of = Label("W", "x", _layer_mark(stack, row)) if not step else None
            diagram.edges.append(Edge(source, states[row], "weights", label_of, sizes))
        elif row >= stack.directions:
            layer = row // stack.directions
            for lower in states[(layer - 1) * stack.directions : layer * stack.directions]:
                diagram.edges.append(Edge(lower, states[row], "weights"))
    return _StepColumn(x, below, states)


def _middle(stack: Stack, x: float) -> float:
    """Return the middle of the column whose forward states are at x."""
    return x + _OFFSET * (stack.directions - 1) / 2


def _state_x(stack: Stack, row: int, x: float) -> float:
    """Return the position of a state in the column at x."""
    return x + _OFFSET * (row % stack.directions)


def _layer_mark(stack: Stack, row: int) -> str:
    """Return what is written above a symbol: the number of the layer, and an arrow for its direction."""
    layer, direction = divmod(row, stack.directions)
    number = f"({layer + 1})" if stack.layers > 1 else ""
    arrow = ("→", "←")[direction] if stack.directions > 1 else ""
    return number + arrow


def _step(diagram: Diagram, architecture: Architecture, stack: Stack, t: int, x: float) -> _StepColumn:
    """Add one copy of the network: the state h_{t+1} has seen x_0 … x_t."""
    label = Label("x", str(t)) if architecture.shape != "one to many" or t == 0 else None
    column = _column(diagram, stack, x, label, str(t + 1))
    if architecture.outputs and architecture.shape in ("many to many", "one to many", "one to one"):
        output = _output(diagram, architecture, stack, x, column, str(t + 1))
        return column._replace(output=output)
    return column


def _output(
    diagram: Diagram, architecture: Architecture, stack: Stack, x: float, column: _StepColumn, step: str
) -> int:
    """Add the output of a column, which reads the states of the last layer; folded, its weights are named."""
    output = diagram.add(_middle(stack, x), ROW * (1 + stack.rows), Label("y", step), "output")
    sizes = (architecture.outputs, stack.units * stack.directions)
    for number, state in enumerate(column.states[-stack.directions :]):
        label = Label("W", "y") if not step and number == stack.directions - 1 else None
        diagram.edges.append(Edge(state, output, "weights", label, sizes))
    return output


def _in_order(stack: Stack, row: int, columns: Sequence[_StepColumn]) -> Sequence[_StepColumn]:
    """Return the columns in the order in which a row of states is computed."""
    return columns[::-1] if row % stack.directions == 1 else columns


def _link(diagram: Diagram, stack: Stack, columns: Sequence[_StepColumn]) -> None:
    """Add the arrows from step to step."""
    for row in range(stack.rows):
        states = [column.states[row] for column in _in_order(stack, row, columns)]
        diagram.edges += [Edge(a, b, "recurrent") for a, b in pairwise(states)]


def _add_initial_states(diagram: Diagram, stack: Stack, columns: Sequence[_StepColumn]) -> None:
    """Add the states before the first step, on the right for those that run backwards."""
    for row in range(stack.rows):
        first = _in_order(stack, row, columns)[0]
        step, side = (len(columns) + 1, 1) if row % stack.directions == 1 else (0, -1)
        x = _state_x(stack, row, first.x) + side * _INITIAL
        initial = diagram.add(x, ROW * (1 + row), Label("h", str(step), _layer_mark(stack, row)), "initial")
        diagram.edges.append(Edge(initial, first.states[row], "recurrent"))


def _feed_back(diagram: Diagram, columns: Sequence[_StepColumn]) -> None:
    """Add the arrows from each output to the next step, which reads it."""
    for column, following in pairwise(columns):
        assert column.output is not None
        diagram.edges.append(Edge(column.output, following.states[0], "feedback"))


def _pool(diagram: Diagram, architecture: Architecture, columns: Sequence[_StepColumn]) -> None:
    """Add the one output, from the final states or from all steps."""
    stack, last = architecture.stack, columns[-1]
    top = range(stack.rows - stack.directions, stack.rows)
    output = diagram.add(_middle(stack, last.x), ROW * (1 + stack.rows), Label("y"), "output")
    for row in top:
        final = columns[0] if row % stack.directions == 1 else last
        sources = [final] if architecture.pooling == "final" else columns
        diagram.edges += [Edge(column.states[row], output, "weights") for column in sources]


def _decode(diagram: Diagram, architecture: Architecture, encoder: Sequence[_StepColumn], x: float, steps: int) -> None:
    """Add the decoder, whose first state is the encoder's last, and which reads its own outputs."""
    stack = architecture.decoder
    assert stack is not None
    columns = []
    for t in range(steps):
        column = _column(diagram, stack, x + _STEP * t, Label("y", str(t)) if t == 0 else None, str(t + 1))
        column = column._replace(output=_output(diagram, architecture, stack, column.x, column, str(t + 1)))
        columns.append(column)
    _link(diagram, stack, columns)
    _feed_back(diagram, columns)
    for layer in range(stack.rows):
        rows = range(layer * architecture.stack.directions, (layer + 1) * architecture.stack.directions)
        for row in rows:
            final = encoder[0] if row % architecture.stack.directions == 1 else encoder[-1]
            diagram.edges.append(Edge(final.states[row], columns[0].states[layer], "recurrent"))
    if architecture.attention:
        for column in encoder:
            assert columns[-1].output is not None
            diagram.edges.append(Edge(column.states[-1], columns[-1].output, "attention"))
