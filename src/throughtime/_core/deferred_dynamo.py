"""Training without the import of torch's compiler, which takes as long as that of torch itself.

Some functions of torch are wrapped so that `torch.compile` does not trace them. The wrapper imports `torch._dynamo` at
its first call, to ask for a version of the function that is not traced. Until something else has imported it, nothing
is traced, and the function itself is that version. The step of an optimizer imports it to end a trace.
"""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

_UNTRACED = "__dynamo_disable"  # where the wrapper keeps the version


def defer_dynamo(*wrappers: Callable[..., Any]) -> None:
    """Let functions that `torch._disable_dynamo` has wrapped run without `torch._dynamo` as long as nothing imports it.

    Functions that it has not wrapped, as in later versions of torch, stay as they are.
    """
    for wrapper in wrappers:
        function = getattr(wrapper, "__wrapped__", None)
        if function is not None and not hasattr(function, _UNTRACED):
            setattr(function, _UNTRACED, _deferred(wrapper, function))


def _deferred(wrapper: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if "torch._dynamo" not in sys.modules:
            return function(*args, **kwargs)
        if getattr(function, _UNTRACED, None) is call:
            vars(function).pop(_UNTRACED, None)
        return wrapper(*args, **kwargs)

    return call


class EagerAdamW(torch.optim.AdamW):
    """AdamW, with the same updates, whose step is not prepared for being traced."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters, as `torch.optim.AdamW.step` does."""
        return _adamw_step(self, closure)


_adamw_step = inspect.unwrap(torch.optim.AdamW.step)
