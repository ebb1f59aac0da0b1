"""Checks of the state in a checkpoint against the training that continues from it.

A checkpoint may be damaged, or come from anyone. Everything is checked before anything of the training is changed.
"""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

_NOTHING = type(None)
_TYPES: dict[str, tuple[type, ...]] = {
    "model": (dict,),
    "optimizer": (dict,),
    "scheduler": (dict, _NOTHING),
    "best": (dict, _NOTHING),
    "updates": (int,),
    "validation_loss": (float, int, _NOTHING),
    "seconds": (float, int),
    "stopped": (str,),
    "path": (str,),
    "random": (Tensor,),
    "epoch": (dict,),
    "processes": (list,),
}
_EPOCH: dict[str, tuple[type, ...]] = {
    "totals": (list,),
    "position": (int,),
    "updates": (int,),
    "random": (Tensor, _NOTHING),
}
_PROCESS: dict[str, tuple[type, ...]] = {"state": (Tensor, tuple, list, _NOTHING), "random": (Tensor, _NOTHING)}


def check_values(state: Any) -> None:
    """Raise for values that no training writes, whatever its model.

    Raises:
        ValueError: names the value.
        TypeError: likewise.
    """
    _check_types("training", state, _TYPES)
    _check_types("epoch", state["epoch"], _EPOCH)
    for number, process in enumerate(state["processes"]):
        _check_types(f"processes {number}", process, _PROCESS)
        _check_nested("state", process["state"])
    totals, counts = state["epoch"]["totals"], (state["updates"], state["seconds"], state["epoch"]["position"])
    if len(totals) != 4 or not all(map(_is_number, totals)):
        raise ValueError(f"totals: expected four numbers, got {str(totals)[:60]}")
    if not all(_is_number(count) and count >= 0 for count in counts) or state["epoch"]["updates"] < -1:
        raise ValueError("updates, seconds and position: expected numbers of 0 or more")
    randoms = [state["random"], state["epoch"]["random"], *(process["random"] for process in state["processes"])]
    for random in randoms:
        _check_random(random)


def check_weights(model: nn.Module, weights: dict[str, Any]) -> None:
    """Raise if weights are not those of a model.

    Raises:
        ValueError: names the first.
    """
    own = model.state_dict()
    for name in own.keys() ^ weights.keys():
        raise ValueError(f"{name} is in one of them only")
    for name, value in own.items():
        if isinstance(value, Tensor):
            saved = weights[name]
            if not isinstance(saved, Tensor) or saved.shape != value.shape or saved.dtype != value.dtype:
                raise ValueError(f"{name}: expected {tuple(value.shape)} of {value.dtype}")


def check_optimizer(optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Raise if a state is not that of such an optimizer with these parameters.

    Raises:
        ValueError: names what does not fit.
    """
    own = optimizer.state_dict()
    if state.keys() != own.keys() or not isinstance(state["param_groups"], list):
        raise ValueError("optimizer: expected its state and groups of parameters")
    if len(state["param_groups"]) != len(own["param_groups"]):
        raise ValueError("optimizer: expected as many groups of parameters")
    for saved, group in zip(state["param_groups"], own["param_groups"], strict=True):
        check_same_types("optimizer", saved, group)
        if saved["params"] != group["params"]:
            raise ValueError("optimizer: expected the same parameters")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    names = _state_names(optimizer, state["param_groups"][0])
    for number, values in state["state"].items():
        if type(number) is not int or not 0 <= number < len(parameters) or not isinstance(values, dict):
            raise ValueError(f"optimizer: no parameter has the number {str(number)[:40]}")
        if names is None:
            continue
        shapes = ((), (1,), tuple(parameters[number].shape))
        tensors = [value for value in values.values() if value is not None]
        if values.keys() != names or any(not isinstance(t, Tensor) or tuple(t.shape) not in shapes for t in tensors):
            raise ValueError(f"optimizer: expected {', '.join(names)} of the shapes of parameter {number}")


def _state_names(optimizer: Optimizer, group: dict[str, Any]) -> set[str] | None:
    """Return the names of what torch's optimizer keeps of a parameter; None for other optimizers.

    Raises:
        ValueError: for settings that are not possible.
    """
    kind: Any = type(optimizer)
    if not kind.__module__.startswith("torch.optim") or kind in (torch.optim.Adafactor, torch.optim.SparseAdam):
        return None
    parameter = torch.zeros(1, requires_grad=True)
    parameter.grad = torch.zeros(1)
    names = inspect.signature(kind).parameters.keys() & group.keys() - {"params"}
    other = kind([parameter], **{name: group[name] for name in names})
    other.step()
    return set(other.state[parameter])


def check_same_types(name: str, values: Any, expected: Any) -> None:
    """Raise if values have other types or keys than the expected ones: a number for a number, and so on.

    Raises:
        ValueError: names the first.
    """
    if isinstance(expected, dict):
        if not isinstance(values, dict) or values.keys() != expected.keys():
            raise ValueError(f"{name}: expected {', '.join(map(str, expected))}")
        for key, value in expected.items():
            check_same_types(f"{name}, {key}", values[key], value)
    elif isinstance(expected, list | tuple):
        if not isinstance(values, list | tuple) or len(values) != len(expected):
            raise ValueError(f"{name}: expected {len(expected)} values")
        for value, other in zip(values, expected, strict=True):
            check_same_types(name, value, other)
    elif isinstance(expected, bool) or expected is None:
        if not isinstance(values, bool) and values is not None:
            raise ValueError(f"{name}: expected true, false or nothing, got {str(values)[:40]!r}")
    elif isinstance(expected, int | float):
        if not _is_number(values):
            raise ValueError(f"{name}: expected a number, got {str(values)[:40]!r}")
    elif type(values) is not type(expected):
        raise ValueError(f"{name}: expected {type(expected).__name__}, got {str(values)[:40]!r}")


def _check_types(name: str, values: Any, expected: dict[str, tuple[type, ...]]) -> None:
    if not isinstance(values, dict):
        raise TypeError(f"{name}: expected names and values, got {str(values)[:40]!r}")
    for key, types in expected.items():
        if key not in values:
            raise ValueError(f"{name}: {key} is missing")
        if not isinstance(values[key], types) or isinstance(values[key], bool):
            raise TypeError(f"{name}: {key} has another type than it should have")


def _check_nested(name: str, value: Any) -> None:
    if isinstance(value, list | tuple):
        for item in value:
            _check_nested(name, item)
    elif value is not None and not isinstance(value, Tensor):
        raise ValueError(f"{name}: expected tensors, got {str(value)[:40]!r}")


def _check_random(state: Tensor | None) -> None:
    """Raise if bytes are not a state of torch's generator, which checks them itself."""
    if state is not None:
        try:
            torch.Generator().set_state(state)
        except (RuntimeError, TypeError) as error:
            raise ValueError("random: expected the state of a generator of random numbers") from error


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
