"""Random numbers of one thread: seeded draws that neither read nor advance the global generators of torch.

While a `PrivateRandom` is entered, every torch function that Python calls in this thread draws from its generators:
initialization of layers, dropout, shuffles, DataLoaders, user code. The draws of this library call `generator` itself.
Other threads use the global generators as before. The draws are those of `torch.manual_seed(seed)`, bit for bit.
"""

from __future__ import annotations

import operator
import sys
import threading
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch.compiler import is_compiling
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from throughtime._core.deferred_dynamo import defer_dynamo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import FrameType
    from typing import Self, SupportsIndex

    from torch import Tensor

_IN_PLACE = ("bernoulli_", "cauchy_", "exponential_", "geometric_", "log_normal_", "normal_", "random_", "uniform_")
_NEW = ("bernoulli", "binomial", "multinomial", "normal", "poisson", "rand", "randint", "randn", "randperm")
_LIKE = ("rand_like", "randint_like", "randn_like", "_standard_gamma", "_sample_dirichlet")
_DROPOUT = (
    *("dropout", "dropout_", "dropout1d", "dropout2d", "dropout3d", "native_dropout", "alpha_dropout"),
    *("alpha_dropout_", "feature_dropout", "feature_dropout_", "feature_alpha_dropout", "feature_alpha_dropout_"),
)
_COMPOSED = (  # of operators some of which draw
    *("lstm", "gru", "rnn_tanh", "rnn_relu", "multi_head_attention_forward", "scaled_dot_product_attention"),
    *("gumbel_softmax", "rrelu", "rrelu_", "fractional_max_pool2d", "fractional_max_pool3d"),
    *("fractional_max_pool2d_with_indices", "fractional_max_pool3d_with_indices", "kaiming_uniform_"),
    *("kaiming_normal_", "xavier_uniform_", "xavier_normal_", "trunc_normal_", "orthogonal_", "sparse_"),
)
_DRAWING = frozenset((*_IN_PLACE, *_NEW, *_LIKE, *_DROPOUT, *_COMPOSED))
_CPU = torch.device("cpu")

_local = threading.local()


class PrivateRandom:
    """Let this thread draw from private generators, while it is entered.

    Args:
        seed: of the draws, an integer from -2**63 to 2**64 - 1.
        intercept: whether every torch function draws from them, or only those that call `generator`, which saves each
            call of torch some microseconds.

    Raises:
        ValueError: for another seed.
    """

    def __init__(self, seed: SupportsIndex, *, intercept: bool = True) -> None:
        if not hasattr(seed, "__index__") or not -(2**63) <= operator.index(seed) < 2**64:
            raise ValueError(f"seed: expected an integer from -2**63 to 2**64 - 1 or None, got {seed!r}")
        self._seed = operator.index(seed)
        self._generators: dict[torch.device, torch.Generator] = {}
        self._functions = _PrivateFunctions(self)
        self._intercepts = intercept
        self._outer: PrivateRandom | None = None

    def __enter__(self) -> Self:
        self._outer, _local.current = current(), self
        if self._intercepts:
            self._functions.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._intercepts:
            self._functions.__exit__(*error)
        _local.current = self._outer

    def intercept_functions(self) -> AbstractContextManager[Any]:
        """Return a context in which every torch function draws from these generators."""
        return nullcontext() if self._intercepts else self._functions

    def generator(self, device: torch.device = _CPU) -> torch.Generator:
        """Return the generator of a device."""
        if device not in self._generators:
            self._generators[device] = torch.Generator(device).manual_seed(self._seed)
        return self._generators[device]

    def states(self) -> dict[torch.device, Tensor]:
        """Return the states of all generators that have drawn."""
        return {device: generator.get_state() for device, generator in self._generators.items()}

    @contextmanager
    def replay(self, states: dict[torch.device, Tensor]) -> Iterator[None]:
        """Draw again from earlier states, and continue afterwards as if nothing had been drawn."""
        later = self._generators
        self._generators = {}
        try:
            for device, state in states.items():
                self.generator(device).set_state(state)
            yield
        finally:
            self._generators = later


class _PrivateFunctions(TorchFunctionMode):
    """Find the functions of torch that draw, and run them under `_PrivateOperators`."""

    def __init__(self, random: PrivateRandom) -> None:
        super().__init__()
        self._operators = _PrivateOperators(random)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if getattr(func, "__name__", "") not in _DRAWING:
            return func(*args, **kwargs) if kwargs else func(*args)
        if _is_in_checkpoint():
            raise RuntimeError(
                "seed: expected None for a model that draws within torch.utils.checkpoint, which repeats draws of the "
                "global generator alone in the backward pass; use seed=None after torch.manual_seed(...)"
            )
        # The global generator is the default of some functions of torch.
        options = {name: value for name, value in (kwargs or {}).items() if value is not torch.default_generator}
        with self._operators:
            return func(*args, **options)


class _PrivateOperators(TorchDispatchMode):
    """Pass the generators of a `PrivateRandom` to operators that are called without one."""

    def __init__(self, random: PrivateRandom) -> None:
        super().__init__()
        self._random = random

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return func(*args, **kwargs)
        device = next((value.device for value in args if isinstance(value, torch.Tensor)), None)
        if device is None:
            device = torch.device(kwargs.get("device") or _CPU)
        generator = self._random.generator(device)
        if func is torch.ops.aten.native_dropout.default:  # of devices other than the CPU
            return _dropout(*args, generator=generator)
        overload = _with_generator(func)
        position = next(i for i, argument in enumerate(overload._schema.arguments) if argument.name == "generator")  # noqa: SLF001
        if (kwargs.get("generator") if len(args) <= position else args[position]) is not None:
            return func(*args, **kwargs)
        if len(args) > position:
            return overload(*args[:position], generator, *args[position + 1 :], **kwargs)
        return overload(*args, **{**kwargs, "generator": generator})


defer_dynamo(_PrivateOperators.__torch_dispatch__)


def _is_in_checkpoint() -> bool:
    """Return whether torch.utils.checkpoint is a caller, which would draw other numbers when it calls again."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001  what `inspect` does, at less cost
    while frame is not None and frame.f_globals.get("__name__") != "torch.utils.checkpoint":
        frame = frame.f_back
    return frame is not None


def _with_generator(func: Any) -> Any:
    """Return the overload of an operator that takes a generator in addition."""
    names = [argument.name for argument in func._schema.arguments]  # noqa: SLF001
    if "generator" in names:
        return func
    packet = func.overloadpacket
    for name in packet.overloads():
        overload = getattr(packet, name)
        if sorted([*names, "generator"]) == sorted(argument.name for argument in overload._schema.arguments):  # noqa: SLF001
            return overload
    raise NotImplementedError(f"{func}: draws random numbers without taking a generator")


def _dropout(x: Tensor, p: float, train: bool | None, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    if train is False or not p:
        return x.clone(), torch.ones_like(x, dtype=torch.bool)
    kept = torch.empty_like(x).bernoulli_(1 - p, generator=generator)
    return x * kept * (0.0 if p == 1 else 1 / (1 - p)), kept.bool()


def current() -> PrivateRandom | None:
    """Return the innermost `PrivateRandom` that this thread has entered."""
    return getattr(_local, "current", None)


def generator(device: torch.device = _CPU) -> torch.Generator | None:
    """Return the generator that this thread draws from on a device; None for the global one."""
    private = None if is_compiling() else current()
    return None if private is None else private.generator(device)


def dropout(x: Tensor, p: float, training: bool = True) -> Tensor:
    """Apply `torch.nn.functional.dropout`, with the generator of this thread."""
    private = None if is_compiling() or not training else current()
    if private is None:
        return functional.dropout(x, p, training)
    with private.intercept_functions():
        return functional.dropout(x, p)


def intercept_functions() -> AbstractContextManager[Any]:
    """Return a context in which every torch function draws from the generators of this thread, where it has some."""
    private = current()
    return nullcontext() if private is None else private.intercept_functions()


def skip_interception() -> AbstractContextManager[Any]:
    """Return a context in which no function of torch is intercepted, for code that does not draw: it is faster."""
    return nullcontext() if current() is None else torch._C.DisableTorchFunction()


def get_state() -> Tensor:
    """Return the state of the generator that this thread draws from on the CPU."""
    private = current()
    return torch.get_rng_state() if private is None else private.generator().get_state()


def set_state(state: Tensor) -> None:
    """Set the state of the generator that this thread draws from on the CPU."""
    private = current()
    if private is None:
        torch.set_rng_state(state)
    else:
        private.generator().set_state(state)


def initial_seed() -> int:
    """Return the seed of the generator that this thread draws from on the CPU."""
    private = current()
    return torch.initial_seed() if private is None else private.generator().initial_seed()


@contextmanager
def replay(states: dict[torch.device, Tensor]) -> Iterator[None]:
    """Draw again from earlier `states` of this thread, and continue afterwards as if nothing had been drawn."""
    private = current()
    if private is not None:
        with private.replay(states):
            yield
        return
    with torch.random.fork_rng(devices=[device for device in states if device.type == "cuda"]):
        for device, state in states.items():
            torch.set_rng_state(state) if device == _CPU else torch.cuda.set_rng_state(state, device)
        yield


def states(device: torch.device) -> dict[torch.device, Tensor]:
    """Return the states of the generators that this thread draws from, on the CPU and on a device."""
    private = current()
    if private is not None:
        return private.states()
    on_gpu = {device: torch.cuda.get_rng_state(device)} if device.type == "cuda" else {}
    return {_CPU: torch.get_rng_state(), **on_gpu}
