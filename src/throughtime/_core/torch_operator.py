"""The scan by torch's own recurrent operators: cuDNN on a GPU of NVIDIA, MIOpen on one of AMD, and their like.

No kernel of this library runs outside the CPU, and the reference path is a loop of many small operators, a hundred
times slower on a GPU than what torch has fused. So the standard cells go to torch's operators there, a layer in both
directions at a time. The environment variable THROUGHTIME_PATH=torch takes the same route on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from throughtime._core.weights import FIELDS, split_directions

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from throughtime._core.cell import Cell
    from throughtime._core.lengths import BatchLengths
    from throughtime._core.reference import States
    from throughtime._core.scan_config import ScanConfig
    from throughtime._core.weights import Weights

Operator = Callable[..., Any]

_OPERATORS: dict[tuple[str, Any], Operator] = {
    ("rnn", "tanh"): torch.rnn_tanh,
    ("rnn", "relu"): torch.rnn_relu,
    ("gru", "tanh"): torch.gru,
    ("lstm", "tanh"): torch.lstm,
}
"""By the names of the cell and its activation."""


def find(cell: Cell, x: Tensor, weights: tuple[Tensor | None, ...], config: ScanConfig) -> tuple[Operator | None, str]:
    """Return the operator that covers a scan, or None and the reason."""
    operator = _OPERATORS.get((cell.name, config.activation))
    if operator is None:
        return None, f"torch has no operator for cell {cell.name!r} with activation {config.activation!r}"
    first = split_directions(weights)[0]
    if first.weight_hr is not None and cell.name != "lstm":
        return None, f"torch's operator for cell {cell.name!r} has no projections"
    if config.reverse and len(weights) == FIELDS:
        return None, "torch's operators do not run a single direction backwards"
    if config.clip[0]:
        return None, "torch's operators do not clip the gradients of states"
    if x.numel() == 0 or first.weight_hh.numel() == 0:
        return None, "a tensor is empty"
    return operator, ""


def backend(x: Tensor) -> str:
    """Return the name of the library that runs torch's recurrent operators on the device of a tensor."""
    if x.is_cuda and torch.backends.cudnn.is_available() and torch.backends.cudnn.enabled:
        return "cudnn" if torch.version.hip is None else "miopen"
    return x.device.type


def scan(
    operator: Operator,
    cell: Cell,
    x: Float[Tensor, "*steps I"],
    state: tuple[Float[Tensor, "D N _"], ...],
    weights: tuple[Tensor | None, ...],
    *,
    lengths: BatchLengths | None = None,
) -> tuple[Float[Tensor, "*steps _"], tuple[Float[Tensor, "D N _"], ...]]:
    """Run `_core.scan` by an operator of torch.

    Args:
        operator: of the cell.
        cell: the description of the cell.
        x: inputs.
        state: the initial states; empty for zeros.
        weights: the fields of `Weights`, of each direction in turn.
        lengths: of the sequences; None where all have T steps.
    """
    if not state:
        batch = x.shape[1] if lengths is None else len(lengths.lengths)
        directions = split_directions(weights)
        state = tuple(x.new_zeros(len(directions), batch, units) for units in directions[0].state_sizes(cell))
    if lengths is None:
        return _call(operator, x, None, state, weights)
    if lengths.is_packed:
        assert lengths.offsets is not None
        batch_sizes = lengths.offsets.diff()
        rows = int(batch_sizes[0])  # the others have no step
        y, finals = _call(operator, x, batch_sizes, tuple(s[:, :rows] for s in state), weights)
        return y, tuple(torch.cat([f, s[:, rows:]], 1) for f, s in zip(finals, state, strict=True))
    return _scan_padded(operator, x, state, weights, lengths)


def _scan_padded(
    operator: Operator,
    x: Float[Tensor, "T N I"],
    state: tuple[Float[Tensor, "D N _"], ...],
    weights: tuple[Tensor | None, ...],
    lengths: BatchLengths,
) -> tuple[Float[Tensor, "T N _"], tuple[Float[Tensor, "D N _"], ...]]:
    """Pack the rows that have steps, and restore their order and the other rows."""
    filled = lengths.lengths.nonzero().squeeze(1)
    rows = filled[lengths.lengths[filled].argsort(descending=True, stable=True)]
    index = rows.to(x.device)
    packed = pack_padded_sequence(x.index_select(1, index), lengths.lengths[rows])
    initial = tuple(s.index_select(1, index) for s in state)
    data, finals = _call(operator, packed.data, packed.batch_sizes, initial, weights)
    y, _ = pad_packed_sequence(PackedSequence(data, packed.batch_sizes), total_length=len(x))
    y = y.new_zeros(*x.shape[:2], y.shape[-1]).index_copy(1, index, y)
    return y, tuple(s.index_copy(1, index, f) for s, f in zip(state, finals, strict=True))


def _call(
    operator: Operator,
    x: Tensor,
    batch_sizes: Tensor | None,
    state: States,
    weights: tuple[Tensor | None, ...],
) -> tuple[Tensor, States]:
    directions = split_directions(weights)
    flat = [w for direction in directions for w in _in_torch_order(direction)]
    has_biases = directions[0].bias_ih is not None
    training = torch.is_grad_enabled()  # cuDNN keeps what its backward pass needs only in training
    options = flat, has_biases, 1, 0.0, training, len(directions) == 2
    hx = state[0] if len(state) == 1 else state
    if batch_sizes is None:
        y, *finals = operator(x, hx, *options, False)  # noqa: FBT003  time first
    else:
        y, *finals = operator(x, batch_sizes, hx, *options)
    return y, tuple(finals)


def _in_torch_order(weights: Weights) -> list[Tensor]:
    bias_hh = weights.bias_hh
    if weights.bias_ih is not None and bias_hh is None:  # the operators have two biases or none
        bias_hh = torch.zeros_like(weights.bias_ih)
    fields = weights.weight_ih, weights.weight_hh, weights.bias_ih, bias_hh, weights.weight_hr
    return [field for field in fields if field is not None]
