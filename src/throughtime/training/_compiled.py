"""Updates of small networks inside the engine, without a Python step for each.

Where a batch is small, autograd, optimiser and Python cost many times the arithmetic. The plain case (a stack of our
layers in one direction and a linear output, squared error or cross-entropy, SGD or Adam) runs there whole: forward
pass, loss, backpropagation through time, clipping and new weights. Weights, moments and the number of steps are the
optimizer's own tensors, so that the general path can go on from them at any update, and gives the same results up to
rounding.
"""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from throughtime import _kernels
from throughtime._scan import route
from throughtime.nn._recurrent import AbstractRecurrent
from throughtime.nn.layouts import ManyToMany, ManyToOne
from throughtime.training._losses import LOSSES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn
    from torch.optim import Optimizer

    from throughtime._kernels._engine import Kernel, Learner
    from throughtime.data.sequences import Batch
    from throughtime.training._bptt import Window
    from throughtime.training._losses import Loss

_RULES: dict[type, tuple[str, tuple[str, str]]] = {
    torch.optim.SGD: ("sgd", ("momentum_buffer", "")),
    torch.optim.Adam: ("adam", ("exp_avg", "exp_avg_sq")),
    torch.optim.AdamW: ("adamw", ("exp_avg", "exp_avg_sq")),
}
_REFUSED = ("amsgrad", "maximize", "nesterov", "dampening", "differentiable", "capturable")
_MOST_LAYERS = 8
_MOST_WORK = 3_000_000  # products in the output layer of a batch, above which the general path is as fast
_SECONDS = 0.02  # after which the engine comes back, to listen to Ctrl-C and to tell callbacks


class Update(NamedTuple):
    """What an update has shown: the loss, the norm of the gradient, how many rows the loss is a mean over."""

    loss: float
    norm: float
    rows: int


class Compiled:
    """A training whose updates run in the engine."""

    def __init__(self, learner: Learner, kernels: list[Kernel], model: Any, loss: str, optimizer: Optimizer) -> None:
        self._learner = learner
        self._kernels = kernels
        self._model = model
        self._loss = loss
        self._optimizer = optimizer
        self._rule, self._moments = _RULES[type(optimizer)]
        self._chunk = 1

    @classmethod
    def of(cls, model: nn.Module, loss: Loss, optimizer: Optimizer) -> tuple[Compiled | None, str]:
        """The engine's path for a model, loss and optimizer; or None and the reason."""
        name = next((n for n in ("mse", "cross_entropy") if LOSSES[n] is loss), None)
        if name is None:
            return None, "the loss is neither 'mse' nor 'cross_entropy'"
        reason = _refused_optimizer(optimizer) or _refused_model(model, optimizer)
        if reason:
            return None, reason
        layer: Any = model.layer
        kernels = []
        for number in range(layer.num_layers):
            weights = layer._fields_of(number)
            kernel, reason = route(layer.cell, weights[0], weights, layer._activations)
            if kernel is None:
                return None, reason
            kernels.append(kernel)
        learner = _kernels.find_learner(kernels[0].is_double)
        assert learner is not None
        return cls(learner, kernels, model, name, optimizer), ""

    def covers(self, batch: Batch) -> bool:
        """Whether a batch is of the plain kind: as many steps in each row, the weights' element type, small."""
        weight = self._model.output.weight
        x, y = batch.x, batch.y
        targets = (x.shape[1 - self._time],) if self._final else x.shape[:2]
        alike = y.dtype is torch.int64 if self._loss == "cross_entropy" else y.dtype is weight.dtype
        rows = x[..., 0].numel() if x.dim() == 3 else 0
        return (
            batch.lengths is None
            and x.dim() == 3
            and x.numel() > 0
            and x.shape[2] == self._model.layer.input_size
            and x.dtype is weight.dtype
            and x.is_cpu
            and not x.requires_grad
            and alike
            and y.is_cpu
            and y.shape == (targets if self._loss == "cross_entropy" else (*targets, weight.shape[0]))
            and rows * weight.numel() <= _MOST_WORK
        )

    def updates(
        self, batch: Batch, windows: Iterator[Window], state: Any, *, clip: float, most: int
    ) -> Iterator[tuple[Window, Update, Any]]:
        """Train on windows, at most `most` of them before what has happened is told.

        Yields:
            Each window, what its update has shown, and the state to go on from. An update whose loss or norm is no
            number has not been made, and is the last.
        """
        x, y = batch.x, batch.y
        if self._time:
            x, y = x.transpose(0, 1), y if self._final else y.transpose(0, 1)
        if self._loss == "cross_entropy":
            y = y.contiguous()
        state = self._state(state, x.shape[1])
        while chunk := list(islice(windows, max(1, min(self._chunk, most)))):
            started = time.perf_counter()
            reports = torch.zeros(len(chunk), 2, dtype=torch.float64)
            done = self._learn(x, y, state, torch.tensor(chunk, dtype=torch.int64), reports, clip)
            spent = max(time.perf_counter() - started, 1e-6)
            self._chunk = max(1, min(2 * len(chunk), int(len(chunk) * _SECONDS / spent)))
            carried = state if len(state) > 1 else state[0]
            for window, (loss, norm) in zip(chunk[: done + 1], reports.tolist(), strict=False):
                rows = x.shape[1] * (1 if self._final else window.stop - window.loss)
                yield window, Update(loss, norm, rows), carried
            if done < len(chunk):
                return

    @property
    def _final(self) -> bool:
        return isinstance(self._model, ManyToOne)

    @property
    def _time(self) -> int:
        return 1 if self._model.batch_first else 0

    def _state(self, state: Any, batch: int) -> tuple[Tensor, ...]:
        """The states (L, N, H), which the engine changes in place."""
        layer = self._model.layer
        if state is None:
            zero = layer._fields_of(0)[0].detach().new_zeros(layer.num_layers, batch, layer.hidden_size)
            return tuple(zero.clone() for _ in layer.cell.states)
        return tuple(s.detach().clone() for s in (state if isinstance(state, tuple) else (state,)))

    def _learn(
        self, x: Tensor, y: Tensor, state: tuple[Tensor, ...], windows: Tensor, reports: Tensor, clip: float
    ) -> int:
        layer, output = self._model.layer, self._model.output
        weights = [layer._fields_of(number)[:-1] for number in range(layer.num_layers)]
        parameters = [*(w for fields in weights for w in fields), output.weight, output.bias]
        group = self._optimizer.param_groups[0]
        updates = self._prepare([p for p in parameters if p is not None])
        first, second = self._moments
        states = self._optimizer.state
        moments = [(None, None) if p is None else (states[p].get(first), states[p].get(second)) for p in parameters]
        beta1, beta2 = group.get("betas", (group.get("momentum", 0.0), 0.0))
        done = self._learner.learn(
            [
                (kernel, (*(None if w is None else w.detach() for w in fields), None), tuple(s[number] for s in state))
                for number, (kernel, fields) in enumerate(zip(self._kernels, weights, strict=True))
            ],
            (output.weight.detach(), None if output.bias is None else output.bias.detach()),
            self._loss,
            self._final,
            x,
            y,
            windows,
            reports,
            self._rule,
            moments,
            (float(group["lr"]), group["weight_decay"], beta1, beta2, group.get("eps", 0.0), clip),
            updates,
            torch.get_num_threads(),
        )
        for p in parameters:
            if p is not None and "step" in states[p]:
                states[p]["step"] += done
        return done

    def _prepare(self, parameters: list[Tensor]) -> int:
        """Create what the optimizer would keep for each parameter. Returns how many updates it has made."""
        updates = 0
        for p in parameters:
            kept = self._optimizer.state[p]
            if self._rule == "sgd":
                if self._optimizer.param_groups[0]["momentum"] and kept.get("momentum_buffer") is None:
                    kept["momentum_buffer"] = torch.zeros_like(p)
                updates = 1  # a buffer of zeros and no buffer are the same without dampening
            else:
                if not kept:
                    kept["step"] = torch.tensor(0.0)
                    kept["exp_avg"], kept["exp_avg_sq"] = torch.zeros_like(p), torch.zeros_like(p)
                updates = int(kept["step"])
        return updates


def _refused_optimizer(optimizer: Optimizer) -> str:
    if type(optimizer) not in _RULES or len(optimizer.param_groups) != 1:
        return "the optimizer is not SGD, Adam or AdamW with one group of parameters"
    if any(optimizer.param_groups[0].get(option) for option in _REFUSED):
        return "the optimizer has options that are not compiled"
    if optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks:
        return "the optimizer has hooks"
    return ""


def _refused_model(model: nn.Module, optimizer: Optimizer) -> str:
    if type(model) not in (ManyToMany, ManyToOne) or not isinstance(model.layer, AbstractRecurrent):
        return "the model is neither ManyToMany nor ManyToOne"
    layer, output = model.layer, model.output
    if layer.bidirectional or layer.proj_size or layer.num_layers > _MOST_LAYERS:
        return "the layer is bidirectional, projected or too deep"
    if layer.dropout and layer.num_layers > 1:
        return "there is dropout"
    if output.activation != "identity":
        return "the output has an activation"
    modules = (model, layer, output)
    if any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in modules):
        return "the model has hooks"
    own = [p for m in (layer, output) for p in m._parameters.values() if p is not None]
    given = optimizer.param_groups[0]["params"]
    if {id(p) for p in own} != {id(p) for p in given} or len(own) != len(given):
        return "not all parameters, or others, are trained"
    if any(not p.requires_grad or not p.is_contiguous() or p._backward_hooks for p in own):
        return "a parameter is frozen, has hooks or is not contiguous"
    if any(name is not None and name not in layer._parameters for names in layer._flat_names for name in names):
        return "a weight is parametrised"
    return ""
