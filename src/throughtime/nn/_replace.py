"""Swap the recurrent layers of an existing model for ours, in place."""

from __future__ import annotations

import copy
import inspect
from typing import TYPE_CHECKING

from throughtime.nn._recurrent import AbstractRecurrent
from throughtime.nn._recurrent_cell import AbstractRecurrentCell

if TYPE_CHECKING:
    from torch import nn


def replace(model: nn.Module) -> nn.Module:
    """Swap every recurrent layer of torch.nn in a model for ours; parameters stay the same objects, and so do hooks.

    Layers whose weights are computed from other parameters (pruned, normalized or otherwise parametrized) are left.

    Args:
        model: is changed in place. A layer that occurs in it twice stays one layer.

    Returns:
        The model; a new layer where the model itself is one.

    >>> import torch, throughtime
    >>> throughtime.nn.replace(torch.nn.Sequential(torch.nn.LSTM(3, 8)))
    Sequential(
      (0): LSTM(3, 8)
    )
    """
    replacements = _replacements()
    swapped: dict[nn.Module, nn.Module] = {}

    def swap(module: nn.Module) -> nn.Module:
        if type(module) in replacements and module not in swapped:
            swapped[module] = _copy(module, replacements[type(module)]) or module
        return swapped.get(module, module)

    for path, module in list(model.named_modules(remove_duplicate=False)):
        parent, _, name = path.rpartition(".")
        if name:
            setattr(model.get_submodule(parent), name, swap(module))
    return swap(model)


def with_own_layers(model: nn.Module) -> nn.Module:
    """Return a model whose recurrent layers are ours: itself, or a copy where it has some of torch.nn."""
    replaceable = _replacements()
    if any(type(module) in replaceable for module in model.modules()):
        return replace(copy.deepcopy(model))
    return model


def _replacements() -> dict[type[nn.Module], type[nn.Module]]:
    """Return our modules, by the module of torch.nn that each of them replaces."""
    modules = *AbstractRecurrent.__subclasses__(), *AbstractRecurrentCell.__subclasses__()
    return {module.torch_layer: module for module in modules if module.torch_layer is not None}


def _copy(layer: nn.Module, replacement: type[nn.Module]) -> nn.Module | None:
    """Return our layer with the settings, parameters, hooks and mode of torch's; None if it has other parameters."""
    settings = {
        name: getattr(layer, name) for name in inspect.signature(replacement).parameters if hasattr(layer, name)
    }
    own = replacement(**settings, device="meta")
    parameters = dict(layer.named_parameters(remove_duplicate=False))
    if parameters.keys() != {name for name, _ in own.named_parameters()}:
        return None
    for name, parameter in parameters.items():
        setattr(own, name, parameter)
    for name, hooks in vars(layer).items():
        if "_hook" in name and hooks:
            setattr(own, name, hooks)
    return own.train(layer.training)
