"""`fit`: train a model through time."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch.optim import Optimizer

from throughtime._core.deferred_dynamo import defer_dynamo
from throughtime._core.rng import PrivateRandom
from throughtime.training._batches import as_batches
from throughtime.training._bptt import FullBPTT
from throughtime.training._checkpointing import Checkpointer, Checkpoints
from throughtime.training._distributed import init_distributed
from throughtime.training._loop import TrainingLoop
from throughtime.training._losses import get_loss
from throughtime.training._mixed_precision import MixedPrecisionModel
from throughtime.training._monitor import Monitor
from throughtime.training._state import TrainingState
from throughtime.training._stopping import Epochs
from throughtime.training._time_axis import check_batch_first, override_batch_first
from throughtime.training._updater import Updater
from throughtime.training._updates import UpdateConfig
from throughtime.training._user_randomness import may_draw_random

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import nn
    from torch.optim.lr_scheduler import LRScheduler

    from throughtime.training._batches import Data
    from throughtime.training._bptt import BPTT
    from throughtime.training._history import History
    from throughtime.training._losses import Loss
    from throughtime.training._monitor import Callback
    from throughtime.training._stopping import StoppingCriterion

_OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
}
defer_dynamo(Optimizer.add_param_group, Optimizer.zero_grad, Optimizer.state_dict, Optimizer.load_state_dict)


def fit(
    model: nn.Module,
    data: Data,
    *,
    loss: str | Loss = "mse",
    bptt: BPTT | None = None,
    optimizer: str | Callable[[Iterable[nn.Parameter]], Optimizer] = "adam",
    learning_rate: float = 1e-3,
    schedule: Callable[[Optimizer], LRScheduler] | None = None,
    validation: Data | None = None,
    stop: Sequence[StoppingCriterion] = (Epochs(100),),
    clip: float | None = None,
    precision: str | None = None,
    callbacks: Sequence[Callback] = (),
    seed: int | None = None,
    checkpoints: Checkpoints | None = None,
    batch_first: bool | None = None,
) -> History:
    """Train a model through time.

    Args:
        model: maps (x, state) to (y, state), as the layouts of `throughtime.nn` do; with `FullBPTT` any module that
            maps x to y. Where batches have lengths it is called with `lengths=`.
        data: (x, y), (x, y, lengths), or an iterable of these or of `Batch` that can be iterated again, such as a list
            or a DataLoader.
        loss: 'mse', 'mae', 'cross_entropy', 'binary_cross_entropy' (of logits), or a function of (y, target).
        bptt: how sequences are cut and how far back gradients reach; `FullBPTT()` if None.
        optimizer: 'sgd', 'adam', 'adamw', 'rmsprop', or a function of the parameters.
        learning_rate: for a named optimizer.
        schedule: a function that builds a scheduler for the optimizer; it takes a step after each update.
        validation: data of the same kind, for stopping and for choosing the weights that are kept.
        stop: criteria; the first that is met ends the training.
        clip: largest norm of the gradient over all parameters; None for no limit.
        precision: 'bfloat16' computes the model's products in that type under `torch.autocast`, while weights, states
            and losses keep theirs; None for the type of the weights.
        callbacks: are called with a `Progress` after each epoch and about ten times a second.
        seed: of shuffling, dropout and everything else that draws through torch in the calling thread, from generators
            of this call alone; None draws from the global ones, which other threads share.
        checkpoints: where the state of the training is saved, to continue from after an interruption.
        batch_first: whether inputs are (N, T, ...), not (T, N, ...). None takes the model's attribute of that name, or
            that of the recurrent layers inside it; a model without either reads time first.

    Returns:
        The history. The model holds the weights of the best epoch by validation loss, or, without validation data, the
        last ones.

    Raises:
        ValueError: if data and strategy do not fit, or a name is not known.
        TypeError: for an optimizer or a schedule that needs more than gradients, and for `checkpoints` of another type.
        NonFiniteLoss: at the first loss or gradient that is not finite.
        Interrupted: on Ctrl-C.
        ProcessLost: if one of several processes that train together has ended.
    """
    bptt = bptt or FullBPTT()
    built = _build_optimizer(optimizer, model, learning_rate)
    scheduler = schedule and schedule(built)
    _check(built, scheduler, clip, checkpoints)
    loss = get_loss(loss)
    clip = math.inf if clip is None else clip
    called = model if precision is None else MixedPrecisionModel(model, precision)
    intercept = may_draw_random(called, loss, data, validation)
    random = nullcontext() if seed is None else PrivateRandom(seed, intercept=intercept)
    with override_batch_first(batch_first), random:
        check_batch_first(data, model)
        check_batch_first(validation, model)
        distributed = init_distributed(model)
        config = UpdateConfig(called, loss, built, scheduler, bptt, clip, distributed)
        updater = Updater(config)
        state = TrainingState(model, built, scheduler, distributed, updater.path)
        monitor = Monitor(state, stop, callbacks)
        loop = TrainingLoop(config, state, updater, monitor, Checkpointer(checkpoints, state))
        return loop.run(as_batches(data), None if validation is None else as_batches(validation))


def _build_optimizer(
    optimizer: str | Callable[[Iterable[nn.Parameter]], Optimizer], model: nn.Module, learning_rate: float
) -> Optimizer:
    if not isinstance(optimizer, str):
        return optimizer(model.parameters())
    if optimizer not in _OPTIMIZERS:
        raise ValueError(f"optimizer: expected one of {', '.join(_OPTIMIZERS)} or a function, got {optimizer!r}")
    return _OPTIMIZERS[optimizer](model.parameters(), lr=learning_rate)


def _check(optimizer: Optimizer, scheduler: LRScheduler | None, clip: float | None, checkpoints: Any) -> None:
    """Raise for what would fail only later, or do harm unnoticed."""
    if isinstance(optimizer, torch.optim.LBFGS):
        raise TypeError("optimizer: expected one that takes a step from one gradient, got LBFGS, which needs more")
    if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
        raise TypeError(
            "schedule: expected one that takes a step after each update, got ReduceLROnPlateau; lower "
            "optimizer.param_groups[0]['lr'] in a callback, by Progress.validation_loss"
        )
    if clip is not None and not clip > 0:
        raise ValueError(f"clip: expected a norm above 0 or None, got {clip}")
    if checkpoints is not None and not isinstance(checkpoints, Checkpoints):
        raise TypeError(f"checkpoints: expected Checkpoints(directory) or None, got {checkpoints!r}")
