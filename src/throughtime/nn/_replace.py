"""Every recurrent layer of an existing model swapped for ours, in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from throughtime.nn.gru import GRU, GRUCell
from throughtime.nn.lstm import LSTM, LSTMCell
from throughtime.nn.rnn import RNN, RNNCell

if TYPE_CHECKING:
    from collections.abc import Callable

_LAYER = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional")
_STEP = ("input_size", "hidden_size", "bias")
_REPLACEMENTS: dict[type[nn.Module], tuple[Callable[..., nn.Module], tuple[str, ...]]] = {
    nn.RNN: (RNN, (*_LAYER, "nonlinearity")),
    nn.GRU: (GRU, _LAYER),
    nn.LSTM: (LSTM, (*_LAYER, "proj_size")),
    nn.RNNCell: (RNNCell, (*_STEP, "nonlinearity")),
    nn.GRUCell: (GRUCell, _STEP),
    nn.LSTMCell: (LSTMCell, _STEP),
}


def replace(model: nn.Module) -> nn.Module:
    """Swap every recurrent layer of torch.nn in a model for ours; parameters stay the same objects, and so do hooks.

    Layers whose weights are computed from other parameters (pruned, normed or otherwise parametrised) stay what they
    are.

    Args:
        model: is changed in place. A layer that stands in it twice stays one layer.

    Returns:
        The model; a new layer where the model itself is one.

    >>> import torch, throughtime
    >>> throughtime.nn.replace(torch.nn.Sequential(torch.nn.LSTM(3, 8)))
    Sequential(
      (0): LSTM(3, 8)
    )
    """
    made: dict[nn.Module, nn.Module] = {}

    def ours(module: nn.Module) -> nn.Module:
        if type(module) in _REPLACEMENTS and module not in made:
            made[module] = _copy(module) or module
        return made.get(module, module)

    for path, module in list(model.named_modules(remove_duplicate=False)):
        parent, _, name = path.rpartition(".")
        if name:
            setattr(model.get_submodule(parent), name, ours(module))
    return ours(model)


def _copy(layer: nn.Module) -> nn.Module | None:
    """Our layer with the settings, the parameters, the hooks and the mode of torch's; None where it has others."""
    make, names = _REPLACEMENTS[type(layer)]
    settings: dict[str, Any] = {name: getattr(layer, name) for name in names}
    copy = make(**settings, device="meta")
    parameters = dict(layer.named_parameters(remove_duplicate=False))
    if parameters.keys() != {name for name, _ in copy.named_parameters()}:
        return None
    for name, parameter in parameters.items():
        setattr(copy, name, parameter)
    for name, hooks in vars(layer).items():
        if "_hook" in name and hooks:
            setattr(copy, name, hooks)
    return copy.train(layer.training)
