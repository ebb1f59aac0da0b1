"""The description of a recurrent cell, as data.

A cell is a value: the names of its gates and states, in order. Everything else is derived from it: names and shapes of
parameters, the permutation to the gate orders of other libraries, and the tests that run over all cells. It holds no
object of a tensor library, so that a model can be read where torch is not installed. The reference step of a cell is
next to its module in `throughtime.nn`, and is found by the name of the cell.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """Describe a recurrent cell.

    Attributes:
        name: key of the reference step, of the compiled kernel, and of a layer in `throughtime.nn.LAYERS`.
        gates: names in the order of their blocks of H rows in the weights, which is that of torch.
        states: names; the first one, `h`, is the output, and what the recurrent weights multiply. A cell whose h is
            computed from an inner state calls that one `c`.
        paper: author, year and title.
        separate_halves: gates whose input and hidden halves are not just added, such as the new gate of a GRU.
        diagonals: names of pointwise weights, such as peepholes: the rows of the parameter `diagonal` (diagonals, H).
        activations: names of the activations that the compiled kernel offers, the default first.
        onnx_gates: the gates in the order of the ONNX operator; empty where there is no operator.
        keras_gates: the gates in the order of the layer of Keras; empty where there is no layer.
        compiled: whether there is a kernel. Without one every call takes the reference path.
    """

    name: str
    gates: tuple[str, ...]
    states: tuple[str, ...]
    paper: str
    separate_halves: tuple[str, ...] = ()
    diagonals: tuple[str, ...] = ()
    activations: tuple[str, ...] = ("tanh",)
    onnx_gates: tuple[str, ...] = ()
    keras_gates: tuple[str, ...] = ()
    compiled: bool = True

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"name: expected an identifier, got {self.name!r}")
        for field in ("gates", "states", "diagonals", "onnx_gates", "keras_gates"):
            names = getattr(self, field)
            if len(set(names)) != len(names):
                raise ValueError(f"{field} of cell {self.name!r}: expected different names, got {names}")
        if not self.gates:
            raise ValueError(f"gates of cell {self.name!r}: expected at least one name, got none")
        if not self.states or self.states[0] != "h":
            raise ValueError(f"states of cell {self.name!r}: expected 'h' first, got {self.states}")
        if not set(self.separate_halves) <= set(self.gates):
            raise ValueError(
                f"separate_halves of cell {self.name!r}: expected some of {self.gates}, got {self.separate_halves}"
            )
        if self.separate_halves and self.separate_halves != self.gates[-len(self.separate_halves) :]:
            raise ValueError(
                f"separate_halves of cell {self.name!r}: expected the last gates, got {self.separate_halves}"
            )
        for field in ("onnx_gates", "keras_gates"):
            names = getattr(self, field)
            if names and set(names) != set(self.gates):
                raise ValueError(f"{field} of cell {self.name!r}: expected the gates {self.gates}, got {names}")

    @property
    def is_gated(self) -> bool:
        """Whether gates decide what a state keeps, so that gradients need not fade from step to step."""
        return len(self.gates) > 1

    @property
    def has_inner_state(self) -> bool:
        """Whether h is computed from an inner state c."""
        return "c" in self.states

    @property
    def onnx_order(self) -> tuple[int, ...]:
        """The position in `gates` of each gate of the ONNX operator."""
        return tuple(self.gates.index(gate) for gate in self.onnx_gates)

    def parameter_shapes(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        recurrent_bias: bool = True,
        proj_size: int = 0,
    ) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the parameters of one layer and direction, by the names of torch without those two."""
        rows = len(self.gates) * hidden_size
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (rows, input_size),
            "weight_hh": (rows, proj_size or hidden_size),
        }
        if bias:
            shapes["bias_ih"] = (rows,)
            if recurrent_bias:
                shapes["bias_hh"] = (rows,)
        if proj_size:
            shapes["weight_hr"] = (proj_size, hidden_size)
        if self.diagonals:
            shapes["diagonal"] = (len(self.diagonals), hidden_size)
        return shapes

    def state_sizes(self, hidden_size: int, proj_size: int = 0) -> tuple[int, ...]:
        """Return the units of each state: a projection narrows h alone."""
        return (proj_size or hidden_size, *(hidden_size for _ in self.states[1:]))
