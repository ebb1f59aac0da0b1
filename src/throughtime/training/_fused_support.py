"""What the engine covers of a training: losses, optimizers, models; and the reasons for what it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.modules.module import _has_any_global_hook  # pyright: ignore[reportPrivateUsage]

from throughtime.nn._recurrent import AbstractRecurrent
from throughtime.nn.layouts import ManyToMany, ManyToOne, Output
from throughtime.training._losses import LOSSES
from throughtime.training._mixed_precision import MixedPrecisionModel

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from throughtime.training._losses import Loss

OPTIMIZERS: dict[type, tuple[str, tuple[str, str]]] = {
    torch.optim.SGD: ("sgd", ("momentum_buffer", "")),
    torch.optim.Adam: ("adam", ("exp_avg", "exp_avg_sq")),
    torch.optim.AdamW: ("adamw", ("exp_avg", "exp_avg_sq")),
}
"""The engine's name of an optimizer, and the names of its state tensors."""

_UNSUPPORTED_OPTIONS = ("amsgrad", "maximize", "nesterov", "dampening", "differentiable", "capturable")
_LOSSES = (("mse", LOSSES["mse"]), ("mse", torch.nn.functional.mse_loss), ("cross_entropy", LOSSES["cross_entropy"]))
_MAX_LAYERS = 8


def loss_name(loss: Loss) -> str | None:
    """Return the engine's name of a loss; None for a loss that it does not cover."""
    if isinstance(loss, torch.nn.MSELoss):
        plain = type(loss) is torch.nn.MSELoss and loss.reduction == "mean" and not _is_customized(loss)
        return "mse" if plain else None
    return next((name for name, function in _LOSSES if loss is function), None)


def optimizer_fallback_reason(optimizer: Optimizer) -> str:
    """Return why the engine does not cover an optimizer, or ''."""
    if type(optimizer) not in OPTIMIZERS or len(optimizer.param_groups) != 1:
        return "the optimizer is not SGD, Adam or AdamW with one group of parameters"
    if any(optimizer.param_groups[0].get(option) for option in _UNSUPPORTED_OPTIONS):
        return "the optimizer has options that are not compiled"
    if optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks:  # noqa: SLF001
        return "the optimizer has hooks"
    return ""


def model_fallback_reason(model: nn.Module, optimizer: Optimizer) -> str:
    """Return why the engine does not cover a model with its optimizer, or ''."""
    if isinstance(model, MixedPrecisionModel):
        return "products are computed in another type than that of the weights"
    if type(model) is not ManyToMany and type(model) is not ManyToOne:
        return "the model is neither ManyToMany nor ManyToOne"
    layer, output = model.layer, model.output
    if type(layer).forward is not AbstractRecurrent.forward or type(output) is not Output:
        return "a layer of the model has a forward of its own"
    if isinstance(model, ManyToOne) and model.pooling.kind != "final":
        return "the outputs of all steps are pooled"
    if output.activation != "identity":
        return "the output has an activation"
    if _has_any_global_hook() or any(_is_customized(module) for module in (model, layer, output)):
        return "the model has hooks"
    return _layer_fallback_reason(layer) or _parameters_fallback_reason(
        layer, output, optimizer.param_groups[0]["params"]
    )


def _layer_fallback_reason(layer: AbstractRecurrent) -> str:
    if layer.bidirectional or layer.proj_size or layer.num_layers > _MAX_LAYERS:
        return "the layer is bidirectional, projected or too deep"
    if layer.dropout and layer.num_layers > 1:
        return "there is dropout"
    if layer.options.non_default():
        return "the layer has options that are not compiled"
    return ""


def _parameters_fallback_reason(layer: AbstractRecurrent, output: Output, trained: list[nn.Parameter]) -> str:
    own = [*layer.parameters(), *output.parameters()]
    fields = [*(w for number in range(layer.num_layers) for w in layer.weights(number)[0]), output.weight, output.bias]
    used = [id(w) for w in fields if w is not None]
    if not {*used} == {id(p) for p in own} == {id(p) for p in trained}:
        return "not all parameters, or others, are trained"
    if len({*used}) < len(used):
        return "a parameter is shared"
    if {layer.all_weights[0][0].dtype, output.weight.dtype} not in ({torch.float32}, {torch.float64}):
        return "the weights are neither all float32 nor all float64"
    if any(not p.requires_grad or not p.is_contiguous() or _has_hooks(p) for p in own):
        return "a parameter is frozen, has hooks or is not contiguous"
    return ""


# Torch shows hooks in private attributes only.


def _has_hooks(parameter: nn.Parameter) -> bool:
    return bool(parameter._backward_hooks or parameter._post_accumulate_grad_hooks)  # noqa: SLF001


def _is_customized(module: nn.Module) -> bool:
    """Return whether a module has hooks, or a `forward` that is not that of its class."""
    hooks = "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"
    return "forward" in vars(module) or any(getattr(module, name) for name in hooks)
