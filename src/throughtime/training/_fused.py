"""Updates of small networks inside the engine, many in one call.

On small batches autograd, optimizer and Python cost many times the arithmetic. The common case (a stack of our layers
in one direction and a linear output, squared error or cross-entropy, SGD or Adam) runs entirely in the engine: forward
pass, loss, backpropagation through time, clipping and new weights. Weights, moments and step counts are the optimizer's
own tensors, so that autograd can continue from them after any update, with the same results up to rounding.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from throughtime import _kernels
from throughtime._core.kernel_selection import select_kernel
from throughtime.nn.layouts import ManyToOne
from throughtime.training._fused_support import (
    OPTIMIZERS,
    loss_name,
    model_fallback_reason,
    optimizer_fallback_reason,
)
from throughtime.training._time_axis import is_batch_first
from throughtime.training._updates import UpdateResult

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor, nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from throughtime._kernels._engine import Kernel, Trainer
    from throughtime.data.batches import Batch
    from throughtime.training._bptt import BPTT
    from throughtime.training._losses import Loss
    from throughtime.training._windows import BPTTWindow

_MAX_OUTPUT_PRODUCTS = 3_000_000  # of the output layer and a batch, above which autograd is as fast
_SECONDS_PER_CALL = 0.02  # after which the engine returns, for Ctrl-C and callbacks
_MAX_GROWTH = 8  # of the number of updates, from one call to the next


class FusedUpdater:
    """Makes updates in the engine.

    Attributes:
        updates_per_call: that take about `_SECONDS_PER_CALL`, as far as the calls so far show.
    """

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
        name, self._moments = OPTIMIZERS[type(optimizer)]
        self._optimizer_name = "adamw" if optimizer.param_groups[0].get("decoupled_weight_decay") else name
        self.updates_per_call = updates_per_call
        self._binding: _Binding | None = None
        self._reasons: dict[tuple[Any, ...], str] = {}  # of the signature of the last batch
        self._window_table: tuple[list[BPTTWindow], Tensor] | None = (
            None  # the last windows, as they are and as a table
        )

    @classmethod
    def create(
        cls, model: nn.Module, loss: Loss, optimizer: Optimizer, bptt: BPTT, *, updates_per_call: int = 1
    ) -> tuple[FusedUpdater | None, str]:
        """Return the updater for a training; or None and the reason why the engine does not cover it."""
        if bptt.fallback_reason:
            return None, bptt.fallback_reason
        name = loss_name(loss)
        if name is None:
            return None, "the loss is neither 'mse' nor 'cross_entropy'"
        reason = optimizer_fallback_reason(optimizer) or model_fallback_reason(model, optimizer)
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
        """Return why the engine does not cover a batch, or ''."""
        special = self._special_case(batch)
        if special:
            return special
        signature = _signature(batch)
        if signature not in self._reasons:
            is_supported = self._supports(batch.x, batch.y)
            self._reasons = {
                signature: "" if is_supported else "a batch is large, or has a shape or type that is not compiled"
            }
            self.updates_per_call = 1
        return self._reasons[signature]

    def is_compatible(self, batch: Batch, other: Batch) -> bool:
        """Return whether another batch may be trained on in one call with one that is covered."""
        if other is batch:
            return True
        return other.reset is None and _signature(other) == _signature(batch) and not self._special_case(other)

    def _special_case(self, batch: Batch) -> str:
        if is_batch_first(self._model) != self._model.batch_first:
            return "inputs have another order than the model declares"
        if batch.lengths is not None and bool((batch.lengths < batch.x.shape[self._time_dim]).any()):
            return "sequences have different lengths"
        if batch.x.requires_grad:
            return "inputs require a gradient"
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
        """Train on windows of each batch; the first continues from the state, the others start from zero.

        It ends before an update whose loss or gradient is not finite, which is the last of the result.
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
        next_state = states[0] if len(states) == 1 else states
        return UpdateResult(losses, norms, targets[: done + 1], next_state)

    def _settings(self, updates: int, scheduler: LRScheduler | None) -> Float[Tensor, "settings 5"]:
        """Return the hyperparameters of each update; one row if they do not change."""
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

    def _state(self, state: Any, batch: int) -> tuple[Float[Tensor, "L N H"], ...]:
        """Return the states (L, N, H), which the engine changes in place."""
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
        windows: Int[Tensor, "windows 4"],
        reports: Float[Tensor, "updates 2"],
        settings: Float[Tensor, "settings 5"],
        clip: float,
    ) -> int:
        if self._binding is None or not self._binding.is_current():
            self._binding = _Binding.create(self._model, self._optimizer, self._moments)
        binding = self._binding
        return self._trainer.train(
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
    """The tensors that updates change, in the order in which the engine takes them.

    Attributes:
        weights: of each layer.
        output: weight and bias of the output layer.
        moments: of each weight of the layers, then of the output layer.
        steps: number of updates that the optimizer has counted for each of them.
        parameters: that share memory with weights and output.
    """

    weights: list[tuple[Tensor | None, ...]]
    output: tuple[Tensor, Tensor | None]
    moments: list[tuple[Tensor | None, Tensor | None]]
    steps: list[Tensor]
    parameters: list[Tensor | None]

    @classmethod
    def create(cls, model: Any, optimizer: Optimizer, names: tuple[str, str]) -> _Binding:
        """Bind a model and the state of its optimizer, which is created as the optimizer would create it."""
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
            state = optimizer.state[p]
            if names[1]:
                if not state:
                    state |= {"step": torch.tensor(0.0), **{name: torch.zeros_like(p) for name in names}}
                steps.append(state["step"])
            elif optimizer.param_groups[0]["momentum"] and state.get(names[0]) is None:
                state[names[0]] = torch.zeros_like(p)
            moments.append(tuple(state.get(name) for name in names))
        detached = [tuple(w if w is None else w.detach() for w in fields) for fields in weights]
        bias = None if output.bias is None else output.bias.detach()
        return cls(detached, (output.weight.detach(), bias), moments, steps, parameters)

    def is_current(self) -> bool:
        """Return whether no parameter has received other memory or another shape, as through `.data`."""
        tensors = [*(w for fields in self.weights for w in fields[:-1]), *self.output]
        return all(
            p is None or w is None or (p.data_ptr() == w.data_ptr() and p.shape == w.shape and p.stride() == w.stride())
            for p, w in zip(self.parameters, tensors, strict=True)
        )


def _signature(batch: Batch) -> tuple[Any, ...]:
    """Return what batches need to have in common to be trained on in one call."""
    x, y = batch.x, batch.y
    return x.shape, x.dtype, x.device, y.shape, y.dtype, y.device
