"""Updates of small networks inside the engine, without a Python step for each.

Where a batch is small, autograd, optimiser and Python cost many times the arithmetic. The plain case (a stack of our
layers in one direction and a linear output, squared error or cross-entropy, SGD or Adam) runs there whole: forward
pass, loss, backpropagation through time, clipping and new weights. Weights, moments and the number of steps are the
optimizer's own tensors, so that the general path can go on from them at any update, and gives the same results up to
rounding.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.nn.modules.module import _has_any_global_hook  # pyright: ignore[reportPrivateUsage]

from throughtime import _kernels
from throughtime._core._scan import select_kernel
from throughtime.nn._recurrent import AbstractRecurrent
from throughtime.nn.layouts import ManyToMany, ManyToOne, Output
from throughtime.training._losses import LOSSES
from throughtime.training._mixed_precision import MixedPrecisionModel
from throughtime.training._time_axis import is_batch_first
from throughtime.training._updates import UpdateResult

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from throughtime._kernels._engine import Kernel, Trainer
    from throughtime.data.batches import Batch
    from throughtime.training._bptt import BPTT
    from throughtime.training._losses import Loss
    from throughtime.training._windows import BPTTWindow

_OPTIMIZERS: dict[type, tuple[str, tuple[str, str]]] = {
    torch.optim.SGD: ("sgd", ("momentum_buffer", "")),
    torch.optim.Adam: ("adam", ("exp_avg", "exp_avg_sq")),
    torch.optim.AdamW: ("adamw", ("exp_avg", "exp_avg_sq")),
}
_UNSUPPORTED_OPTIONS = ("amsgrad", "maximize", "nesterov", "dampening", "differentiable", "capturable")
_LOSSES = (("mse", LOSSES["mse"]), ("mse", torch.nn.functional.mse_loss), ("cross_entropy", LOSSES["cross_entropy"]))
_MAX_LAYERS = 8
_MAX_OUTPUT_PRODUCTS = 3_000_000  # products in the output layer of a batch, above which the general path is as fast
_SECONDS_PER_CALL = 0.02  # after which the engine comes back, to listen to Ctrl-C and to tell callbacks
_MAX_GROWTH = 8  # times more updates than the last time are tried in one go, at most


class FusedUpdater:
    """A training whose updates run in the engine."""

    def __init__(
        self,
        trainer: Trainer,
        kernels: list[Kernel],
        model: Any,
        loss: str,
        optimizer: Optimizer,
        updates_per_call: int,
    ) -> None:
        self._trainer = trainer
        self._kernels = kernels
        self._model = model
        self._loss = loss
        self._optimizer = optimizer
        name, self._moments = _OPTIMIZERS[type(optimizer)]
        self._optimizer_name = "adamw" if optimizer.param_groups[0].get("decoupled_weight_decay") else name
        self.updates_per_call = updates_per_call  # that take about `_SECONDS_PER_CALL`
        self._binding: _Binding | None = None
        self._reasons: dict[tuple[Any, ...], str] = {}  # why batches like the last one are not covered, '' if they are
        self._window_table: tuple[list[BPTTWindow], Tensor] | None = None  # the last windows, and as a table

    @classmethod
    def create(
        cls, model: nn.Module, loss: Loss, optimizer: Optimizer, bptt: BPTT, *, updates_per_call: int = 1
    ) -> tuple[FusedUpdater | None, str]:
        """Return the updater for a training; or None and the reason why the engine does not cover it."""
        if bptt.fallback_reason:
            return None, bptt.fallback_reason
        name = _loss_name(loss)
        if name is None:
            return None, "the loss is neither 'mse' nor 'cross_entropy'"
        reason = _optimizer_fallback_reason(optimizer) or _model_fallback_reason(model, optimizer)
        if reason:
            return None, reason
        layer: Any = model.layer
        kernels = []
        for number in range(layer.num_layers):
            (weights,) = layer.weights(number)
            kernel, reason = select_kernel(layer.cell, weights[0], weights, layer.scan_config)
            if kernel is None:
                return None, reason
            kernels.append(kernel)
        trainer = _kernels.find_trainer(kernels[0].bits == 64)
        assert trainer is not None
        return cls(trainer, kernels, model, name, optimizer, updates_per_call), ""

    def fallback_reason(self, batch: Batch) -> str:
        """Why a batch is not of the plain kind (as many steps in each row, the weights' element type, small), or ''."""
        special = self._special_case(batch)
        if special:
            return special
        signature = _signature(batch)
        if signature not in self._reasons:
            plain = self._supports(batch.x, batch.y)
            self._reasons = {
                signature: "" if plain else "a batch is large, or has a shape or type that is not compiled"
            }
            self.updates_per_call = 1
        return self._reasons[signature]

    def is_compatible(self, batch: Batch, other: Batch) -> bool:
        """Whether one batch may be trained on in one go with another, that is covered and begins without a state."""
        if other is batch:
            return True
        return other.reset is None and _signature(other) == _signature(batch) and not self._special_case(other)

    def _special_case(self, batch: Batch) -> str:
        if is_batch_first(self._model) != self._model.batch_first:
            return "inputs come in another order than the model says"
        if batch.lengths is not None and bool((batch.lengths < batch.x.shape[self._time_dim]).any()):
            return "sequences have different lengths"
        if batch.x.requires_grad:
            return "inputs want a gradient"
        y = batch.y
        if self._loss == "cross_entropy" and y.numel() and not y.is_floating_point() and int(y.min()) < 0:
            return "some targets are ignored"
        return ""

    def _supports(self, x: Tensor, y: Tensor) -> bool:
        weight = self._model.output.weight
        if x.dim() != 3 or not x.numel() or x.shape[2] != self._model.layer.input_size:
            return False
        outputs = (x.shape[1 - self._time_dim],) if self._has_one_output else x.shape[:2]
        classes = self._loss == "cross_entropy"
        return (
            x.is_cpu
            and y.is_cpu
            and x.dtype is weight.dtype
            and y.dtype is (torch.int64 if classes else weight.dtype)
            and y.shape == (outputs if classes else (*outputs, weight.shape[0]))
            and x[..., 0].numel() * weight.numel() <= _MAX_OUTPUT_PRODUCTS
        )

    def limit(self, max_updates: float) -> int:
        """Return how many updates to make in one call, of as many as may be made."""
        return max(1, int(min(self.updates_per_call, max_updates)))

    def update(
        self, batches: list[Batch], windows: list[BPTTWindow], state: Any, *, scheduler: LRScheduler | None, clip: float
    ) -> UpdateResult:
        """Train on windows of each batch; the first goes on from the state, the others begin without one.

        It ends before an update whose loss or gradient is no number, which is the last one told of.
        """
        rows = batches[0].x.shape[1 - self._time_dim]
        states, count = self._state(state, rows), len(windows) * len(batches)
        if self._window_table is None or self._window_table[0] != windows:
            self._window_table = windows, torch.tensor(windows, dtype=torch.int64)
        settings = self._settings(count, scheduler)
        reports = torch.empty(count, 2, dtype=torch.float64)
        started = time.perf_counter()
        done = self._run_trainer(
            [batch[:2] for batch in batches], states, self._window_table[1], reports, settings, clip
        )
        spent = time.perf_counter() - started
        self.updates_per_call = max(1, min(_MAX_GROWTH * count, int(count * _SECONDS_PER_CALL / max(spent, 1e-6))))
        targets = [
            rows if self._has_one_output else rows * (window.stop - window.loss_start) for window in windows
        ] * len(batches)
        losses, norms = reports[: done + 1].T.tolist()
        carried = states[0] if len(states) == 1 else states
        return UpdateResult(losses, norms, targets[: done + 1], carried)

    def _settings(self, updates: int, scheduler: LRScheduler | None) -> Tensor:
        """What the rule needs to know at each update; one row where nothing changes."""
        group, rows = self._optimizer.param_groups[0], []
        self._optimizer._opt_called = True  # pyright: ignore[reportAttributeAccessIssue]  # noqa: SLF001  schedulers ask
        for _ in range(updates if scheduler else 1):
            beta1, beta2 = group.get("betas", (group.get("momentum", 0.0), 0.0))
            rows.append((float(group["lr"]), group["weight_decay"], beta1, beta2, group.get("eps", 0.0)))
            if scheduler is not None:
                scheduler.step()
        return torch.tensor(rows, dtype=torch.float64)

    @property
    def _has_one_output(self) -> bool:
        return isinstance(self._model, ManyToOne)

    @property
    def _time_dim(self) -> int:
        return 1 if self._model.batch_first else 0

    def _state(self, state: Any, batch: int) -> tuple[Tensor, ...]:
        """The states (L, N, H), which the engine changes in place."""
        layer = self._model.layer
        if state is None:
            weight = self._model.output.weight.detach()
            sizes = layer.num_layers, batch, layer.hidden_size
            return tuple(weight.new_zeros(sizes) for _ in layer.cell.states)
        return tuple(s.detach().clone() for s in (state if isinstance(state, tuple) else (state,)))

    def _run_trainer(
        self,
        batches: list[tuple[Tensor, Tensor]],
        states: tuple[Tensor, ...],
        windows: Tensor,
        reports: Tensor,
        settings: Tensor,
        clip: float,
    ) -> int:
        if self._binding is None or not self._binding.is_current():
            self._binding = _Binding.create(self._model, self._optimizer, self._moments)
        binding = self._binding
        return self._trainer.learn(
            [
                (kernel, weights, tuple([s[number] for s in states]))
                for number, (kernel, weights) in enumerate(zip(self._kernels, binding.weights, strict=True))
            ],
            binding.output,
            self._loss,
            self._has_one_output,
            self._model.batch_first,
            batches,
            windows,
            reports,
            self._optimizer_name,
            binding.moments,
            settings,
            clip,
            binding.steps,
            torch.get_num_threads(),
        )


class _Binding(NamedTuple):
    """The tensors that updates change, in the order in which the engine takes them."""

    weights: list[tuple[Tensor | None, ...]]  # of each layer
    output: tuple[Tensor, Tensor | None]
    moments: list[tuple[Tensor | None, Tensor | None]]  # of each weight of the layers, then of the output
    steps: list[Tensor]  # how many updates the optimizer has counted for each
    parameters: list[Tensor | None]  # those that the tensors were taken from

    @classmethod
    def create(cls, model: Any, optimizer: Optimizer, names: tuple[str, str]) -> _Binding:
        """Bind a model and what its optimizer keeps, which is created as the optimizer would."""
        layer, output = model.layer, model.output
        for number in range(layer.num_layers):
            layer.check_weights(number)
        weights = [layer.weights(number)[0] for number in range(layer.num_layers)]
        parameters = [*(w for fields in weights for w in fields[:-1]), output.weight, output.bias]
        moments, steps = [], []
        for p in parameters:
            if p is None:
                moments.append((None, None))
                continue
            kept = optimizer.state[p]
            if names[1]:
                if not kept:
                    kept |= {"step": torch.tensor(0.0), **{name: torch.zeros_like(p) for name in names}}
                steps.append(kept["step"])
            elif optimizer.param_groups[0]["momentum"] and kept.get(names[0]) is None:
                kept[names[0]] = torch.zeros_like(p)
            moments.append(tuple(kept.get(name) for name in names))
        detached = [tuple(w if w is None else w.detach() for w in fields) for fields in weights]
        bias = None if output.bias is None else output.bias.detach()
        return cls(detached, (output.weight.detach(), bias), moments, steps, parameters)

    def is_current(self) -> bool:
        """Whether no parameter has been given other memory or another shape since, as `.data` does."""
        tensors = [*(w for fields in self.weights for w in fields[:-1]), *self.output]
        return all(
            p is None or w is None or (p.data_ptr() == w.data_ptr() and p.shape == w.shape and p.stride() == w.stride())
            for p, w in zip(self.parameters, tensors, strict=True)
        )


def _signature(batch: Batch) -> tuple[Any, ...]:
    """What batches have in common that can be trained on in one go."""
    x, y = batch.x, batch.y
    return x.shape, x.dtype, x.device, y.shape, y.dtype, y.device


def _loss_name(loss: Loss) -> str | None:
    """The objective that the engine knows a loss by."""
    if isinstance(loss, torch.nn.MSELoss):
        plain = type(loss) is torch.nn.MSELoss and loss.reduction == "mean" and not _is_customized(loss)
        return "mse" if plain else None
    return next((name for name, known in _LOSSES if loss is known), None)


def _optimizer_fallback_reason(optimizer: Optimizer) -> str:
    if type(optimizer) not in _OPTIMIZERS or len(optimizer.param_groups) != 1:
        return "the optimizer is not SGD, Adam or AdamW with one group of parameters"
    if any(optimizer.param_groups[0].get(option) for option in _UNSUPPORTED_OPTIONS):
        return "the optimizer has options that are not compiled"
    if optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks:  # noqa: SLF001
        return "the optimizer has hooks"
    return ""


def _model_fallback_reason(model: nn.Module, optimizer: Optimizer) -> str:
    if isinstance(model, MixedPrecisionModel):
        return "products are made in another type than that of the weights"
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


def _parameters_fallback_reason(layer: AbstractRecurrent, output: Output, given: list[nn.Parameter]) -> str:
    own = [*layer.parameters(), *output.parameters()]
    fields = [*(w for number in range(layer.num_layers) for w in layer.weights(number)[0]), output.weight, output.bias]
    used = [id(w) for w in fields if w is not None]
    if not {*used} == {id(p) for p in own} == {id(p) for p in given}:
        return "not all parameters, or others, are trained"
    if len({*used}) < len(used):
        return "a parameter is shared"
    if {layer.all_weights[0][0].dtype, output.weight.dtype} not in ({torch.float32}, {torch.float64}):
        return "the weights are neither all float32 nor all float64"
    if any(not p.requires_grad or not p.is_contiguous() or _has_hooks(p) for p in own):
        return "a parameter is frozen, has hooks or is not contiguous"
    return ""


# Torch tells of hooks nowhere else than in what is not public.


def _has_hooks(parameter: nn.Parameter) -> bool:
    return bool(parameter._backward_hooks or parameter._post_accumulate_grad_hooks)  # noqa: SLF001


def _is_customized(module: nn.Module) -> bool:
    """Whether a module has hooks, or a forward of its own beside that of its class."""
    hooks = "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"
    return "forward" in vars(module) or any(getattr(module, name) for name in hooks)
