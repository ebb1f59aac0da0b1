"""Whether code outside this library may draw random numbers in a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from throughtime.training._batches import Data
    from throughtime.training._losses import Loss

_DETERMINISTIC_MODULES = (
    *(nn.Linear, nn.Embedding, nn.Conv1d, nn.LayerNorm, nn.BatchNorm1d, nn.Identity, nn.Sequential, nn.ModuleList),
    *(nn.ModuleDict, nn.ParameterList, nn.ParameterDict, nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Softplus),
)


def may_draw_random(model: nn.Module, loss: Loss, *data: Data | None) -> bool:
    """Return whether a model, a loss or data may draw other than through this library."""
    return not (
        all(map(_is_own_module, model.modules()))
        and (_is_own(loss) or isinstance(loss, nn.MSELoss) or getattr(loss, "__module__", "") == "torch.nn.functional")
        and all(source is None or _is_own_data(source) for source in data)
    )


def _is_own(value: Any) -> bool:
    value = getattr(value, "func", value)  # of a partial
    module: str = getattr(value, "__module__", None) or type(value).__module__
    return module.split(".", maxsplit=1)[0] == "throughtime"


def _is_own_module(module: nn.Module) -> bool:
    activations = (getattr(module, name, "") for name in ("activation", "gate_activation"))
    hooks = module._forward_hooks or module._forward_pre_hooks  # noqa: SLF001  torch has no public name for them
    is_deterministic = type(module) in _DETERMINISTIC_MODULES or _is_own(type(module))
    return is_deterministic and not hooks and all(isinstance(name, str | type(None)) for name in activations)


def _is_own_data(data: Any) -> bool:
    if isinstance(data, tuple | list):
        return all(item is None or isinstance(item, torch.Tensor) or _is_own_data(item) for item in data)
    return _is_own(data)
