"""Call every binding of the compiled module with randomly changed arguments; the worst result is a Python exception.

`make sanitize` runs it under the address sanitizer, which ends the process at any access out of bounds:

    python tests/kernels/fuzz.py --engine build/…/_engine.so --calls 1000000 --seed 0
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

EXPECTED = (TypeError, ValueError, RuntimeError, IndexError, OverflowError, MemoryError, BufferError)
NUMBERS = (-(2**63), -(2**31), -1, 0, 1, 2, 3, 5, 64, 2**31 - 1, 2**31, 2**40, 2**57, 2**62, 2**63 - 1, 2**64)
HUGE = (2**40, 2**57, 2**61, 2**62)
TYPES = (torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.int32, torch.bool, torch.complex64)


class Fuzz:
    """Draw calls, make them and count their outcomes."""

    def __init__(self, engine: Any, seed: int, variants: int) -> None:
        self.engine = engine
        self.random = random.Random(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.kernels = engine.kernels()
        self.trainers = engine.trainers()
        self.outcomes: Counter[str] = Counter()
        # Valid calls, `variants` for each kernel, from which the others are derived.
        plain = [kernel for kernel in self.kernels if kernel.bits != 16]
        self.forwards = [(k, self.forward_arguments(k)) for k in self.kernels for _ in range(variants)]
        self.backwards = [(k, self.backward_arguments(k)) for k in plain for _ in range(variants)]
        self.bindings: list[tuple[int, Callable[[], Any]]] = [
            (30, self.forward),
            (30, self.backward),
            (10, self.train),
            (10, self.stream),
            (5, self.accepts),
            (5, self.reserve_size),
        ]

    def run(self, calls: int) -> None:
        """Make `calls` calls."""
        weights, bindings = zip(*self.bindings, strict=True)
        for call in self.random.choices(bindings, weights, k=calls):
            try:
                call()
            except EXPECTED as error:
                self.outcomes[f"{call.__name__}: {type(error).__name__}"] += 1
            else:
                self.outcomes[f"{call.__name__}: returned"] += 1

    def forward(self) -> None:
        kernel, arguments = self.random.choice(self.forwards)
        kernel.forward(*self.changed(arguments))

    def backward(self) -> None:
        kernel, arguments = self.random.choice(self.backwards)
        kernel.backward(*self.changed(arguments))

    def accepts(self) -> None:
        kernel, (x, _, weights, *_) = self.random.choice(self.forwards)
        kernel.accepts(*self.changed((x, weights)))

    def reserve_size(self) -> None:
        self.random.choice(self.kernels).reserve_size(*(self.random.choice(NUMBERS) for _ in range(3)))

    def train(self) -> None:
        trainer = self.random.choice(self.trainers)
        trainer.train(*self.changed(self.train_arguments(trainer)))

    def stream(self) -> None:
        """Build a streaming network and use it, sometimes in an invalid order."""
        trainer = self.random.choice(self.trainers)
        kind = np.float64 if trainer.is_double else np.float32
        inputs, hidden, outputs, steps = (self.random.randint(1, 9) for _ in range(4))
        stream = self.engine.StreamingNetwork(*self.changed((trainer, inputs)))
        kernels = [k for k in self.kernels if k.isa == trainer.isa and (k.bits == 64) == trainer.is_double]
        kernel = self.random.choice(kernels)
        rows = kernel.gates * hidden
        shapes = (rows, inputs), (rows, hidden), (rows,), (rows,), (kernel.diagonals, hidden)
        weights = tuple(np.zeros(shape, kind) if 0 not in shape else None for shape in shapes)
        width = hidden if self.random.random() < 0.3 else outputs
        calls = [
            (stream.add_layer, (kernel, weights, hidden)),
            (stream.set_output, (np.zeros((outputs, hidden), kind), np.zeros(outputs, kind), outputs, "tanh")),
            (stream.step, (np.zeros(inputs, kind), np.zeros(width, kind))),
            (stream.run, (np.zeros((steps, inputs), kind), np.zeros((steps, width), kind), steps)),
            (
                stream.step_rows,
                (
                    np.zeros((steps, inputs), kind),
                    np.zeros((kernel.states, steps, hidden), kind),
                    np.zeros((steps, width), kind),
                    steps,
                ),
            ),
            (stream.get_state, (0, np.zeros((kernel.states, hidden), kind))),
            (stream.set_state, (0, np.zeros((kernel.states, hidden), kind))),
        ]
        if self.random.random() < 0.2:
            self.random.shuffle(calls)
        for call, arguments in calls:
            try:
                call(*self.changed(arguments))
            except EXPECTED as error:
                self.outcomes[f"stream: {type(error).__name__}"] += 1

    def draw(self, *shape: int, dtype: torch.dtype) -> torch.Tensor:
        return torch.randn(shape, generator=self.generator).to(dtype)

    def forward_arguments(self, kernel: Any) -> tuple[Any, ...]:
        """Return the arguments of a valid call."""
        dtype = {64: torch.float64, 32: torch.float32, 16: torch.bfloat16}[kernel.bits]
        steps, batch, inputs, hidden = (self.random.randint(1, n) for n in (6, 5, 20, 18))
        directions, rows = self.random.choice((1, 2)), kernel.gates * hidden
        weights: tuple[Any, ...] = ()
        for _ in range(directions):
            weights += (self.draw(rows, inputs, dtype=dtype), self.draw(rows, hidden, dtype=dtype))
            weights += tuple(self.draw(rows, dtype=dtype) if self.random.random() < 0.7 else None for _ in range(2))
            diagonal = self.draw(kernel.diagonals, hidden, dtype=dtype) if kernel.diagonals else None
            weights += (diagonal, None)
        x, ragged = self.draw(steps, batch, inputs, dtype=dtype), ()
        form = self.random.choice(("plain", "batch first", "padded", "packed"))
        lengths = torch.tensor(sorted((self.random.randint(1, steps) for _ in range(batch)), reverse=True))
        if form == "batch first":
            x = self.draw(batch, steps, inputs, dtype=dtype).transpose(0, 1)
        elif form == "padded":
            order = torch.tensor(self.random.sample(range(batch), batch))
            ragged = (torch.empty_like(lengths).scatter_(0, order, lengths), order, None)
        elif form == "packed":
            active = [int((lengths > t).sum()) for t in range(int(lengths[0]))]
            offsets = torch.tensor([0, *active]).cumsum(0)
            x, ragged = self.draw(int(offsets[-1]), inputs, dtype=dtype), (lengths, None, offsets)
        states = kernel.states if self.random.random() < 0.6 else 0
        state = tuple(self.draw(directions, batch, hidden, dtype=dtype) for _ in range(states))
        keep = kernel.bits != 16
        sizes = (inputs, hidden) if self.random.random() < 0.5 else ()
        return x, state, weights, ragged, self.random.random() < 0.5, self.random.choice((1, 2, 3)), keep, sizes

    def backward_arguments(self, kernel: Any) -> tuple[Any, ...]:
        """Return the arguments of a valid call, after its forward pass."""
        x, state, weights, ragged, reverse, threads, _, _ = self.forward_arguments(kernel)
        y, finals, kept = kernel.forward(x, state, weights, ragged, reverse, threads, True, ())
        doutputs = tuple(torch.ones_like(t) if self.random.random() < 0.8 else None for t in (y, *finals))
        needed = tuple(self.random.random() < 0.8 for _ in (x, *state, *weights))
        clip = self.random.choice(((0.0, False), (0.1, True), (0.1, False)))
        return (y, kept, x, *state, *weights), doutputs, needed, len(state), ragged, reverse, threads, clip

    def train_arguments(self, trainer: Any) -> tuple[Any, ...]:
        """Return the arguments of valid updates."""
        dtype = torch.float64 if trainer.is_double else torch.float32
        bits = 64 if trainer.is_double else 32
        kernel = self.random.choice([k for k in self.kernels if k.bits == bits and k.isa == trainer.isa])
        steps, batch, inputs, hidden, outputs = (self.random.randint(1, n) for n in (5, 5, 18, 9, 4))
        rows = kernel.gates * hidden
        shapes = (rows, inputs), (rows, hidden), (rows,), (rows,), (kernel.diagonals, hidden)
        weights = tuple(self.draw(*shape, dtype=dtype) if 0 not in shape else None for shape in shapes)
        states = tuple(torch.zeros(batch, hidden, dtype=dtype) for _ in range(kernel.states))
        output = self.draw(outputs, hidden, dtype=dtype), self.draw(outputs, dtype=dtype)
        moments = [
            (None, None) if w is None else (torch.zeros_like(w), torch.zeros_like(w)) for w in (*weights, *output)
        ]
        final, classes = self.random.random() < 0.5, self.random.random() < 0.5
        form = (batch,) if final else (steps, batch)
        target = torch.randint(outputs, form) if classes else torch.zeros(*form, outputs, dtype=dtype)
        pairs = [(self.draw(steps, batch, inputs, dtype=dtype), target) for _ in range(self.random.randint(1, 2))]
        stop = self.random.randint(1, steps)
        windows = torch.tensor([[0, stop, self.random.randint(0, stop - 1), self.random.randint(0, stop)]])
        reports = torch.zeros(len(pairs), 2, dtype=torch.float64)
        settings = torch.tensor([[0.01, 0.0, 0.9, 0.99, 1e-8]], dtype=torch.float64)
        rule = self.random.choice(("sgd", "adam", "adamw"))
        objective = "cross_entropy" if classes else "mse"
        return (
            *([(kernel, (*weights, None), states)], output, objective, final, False, pairs, windows, reports, rule),
            *(moments, settings, 1.0, [torch.tensor(0.0)], self.random.choice((1, 2, 2**31 - 1))),
        )

    def changed(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments with zero to three changes."""
        changed: Any = arguments
        for _ in range(self.random.choice((0, 1, 1, 2, 3))):
            changed = self.change_in(changed)
        return changed if isinstance(changed, tuple) else arguments

    def change_in(self, value: Any) -> Any:
        """Change one value of a nested tuple."""
        if isinstance(value, (tuple, list)) and len(value) and self.random.random() < 0.93:
            items = list(value)
            position = self.random.randrange(len(items))
            items[position] = self.change_in(items[position])
            return type(value)(items)
        return self.change(value)

    def change(self, value: Any) -> Any:
        """Return another value, often of the same type."""
        if self.random.random() < 0.05:
            return self.random.choice((None, 0, -1, 1.5, "x", (), [], torch.zeros(()), torch.zeros(3), object()))
        if isinstance(value, torch.Tensor):
            return self.change_tensor(value)
        if isinstance(value, np.ndarray):
            return self.random.choice((value[:-1], value[None], value.astype(np.int8), value.T, np.zeros(0)))
        if isinstance(value, bool):
            return not value
        if isinstance(value, int):
            return self.random.choice(NUMBERS)
        if isinstance(value, float):
            return self.random.choice((0.0, -1.0, float("nan"), float("inf"), 1e300))
        if isinstance(value, str):
            return self.random.choice(("mse", "sgd", "relu", "identity", "", "other"))
        if isinstance(value, (tuple, list)):
            return self.change_sequence(value)
        return value

    def change_sequence(self, value: Any) -> Any:
        items = list(value)
        kind = self.random.randrange(4)
        if kind == 0:
            items = items[: self.random.randint(0, len(items))]
        elif kind == 1:
            items += items[:1] * self.random.randint(1, 3)
        elif kind == 2:
            self.random.shuffle(items)
        else:
            return list(items) if isinstance(value, tuple) else tuple(items)
        return type(value)(items)

    def change_tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a tensor of another shape, type, memory or content."""
        if tensor.dtype is torch.int64 and tensor.numel() and self.random.random() < 0.7:
            changed = tensor.clone()
            changed.view(-1)[self.random.randrange(tensor.numel())] = self.random.choice(NUMBERS[:-1])
            return changed
        kind = self.random.randrange(10)
        if kind == 0:
            return tensor.to(self.random.choice(TYPES))
        if kind == 1:
            return tensor.unsqueeze(self.random.randint(0, tensor.dim()))
        if kind == 2:
            return tensor.flatten()
        if kind == 3 and tensor.dim():
            return tensor[: self.random.randint(0, len(tensor))]
        if kind == 4:
            return tensor.transpose(0, -1) if tensor.dim() else tensor
        if kind == 5:
            return self.huge(tensor)
        if kind == 6:
            return torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
        if kind == 7:
            return self.misaligned(tensor)
        if kind == 8 and tensor.is_floating_point():
            return torch.full_like(tensor, self.random.choice((0.0, 2.0, 1e30, float("nan"), -float("inf"), 1e9)))
        return self.strided(tensor)

    def huge(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return one element, expanded to a huge size."""
        sizes = [self.random.choice((size, 1, 3, *HUGE)) for size in tensor.shape]
        return torch.zeros((), dtype=tensor.dtype).expand(sizes)

    def strided(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the same memory with other strides, with gaps or repetitions."""
        base = tensor.contiguous().flatten()
        sizes, strides, left = [], [], base.numel() - 1
        for size in tensor.shape:
            stride = self.random.choice((0, 1, 2, 7))
            sizes.append(size if stride * (size - 1) <= left else 1)
            strides.append(stride)
            left -= stride * (sizes[-1] - 1)
        return base.as_strided(sizes, strides)

    def misaligned(self, tensor: torch.Tensor) -> torch.Tensor:
        if not tensor.numel() or tensor.dtype is torch.bool:
            return tensor
        memory = bytearray(tensor.numel() * tensor.element_size() + 1)
        return torch.frombuffer(memory, dtype=tensor.dtype, offset=1).view(tensor.shape)


def load(path: Path) -> Any:
    """Load a build of the compiled module."""
    spec = importlib.util.spec_from_file_location("_engine", path)
    assert spec is not None
    assert spec.loader is not None
    engine = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(engine)
    return engine


def main() -> None:
    """Make the calls, and print their outcomes."""
    parser = argparse.ArgumentParser(description="Call the compiled module with randomly changed arguments.")
    parser.add_argument("--engine", type=Path, required=True, help="the compiled module")
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"seed {options.seed}, {options.calls} calls", flush=True)  # noqa: T201
    started = time.perf_counter()
    fuzz = Fuzz(load(options.engine), options.seed, variants=40)
    fuzz.run(options.calls)
    for outcome, count in sorted(fuzz.outcomes.items()):
        print(f"{count:8} {outcome}")  # noqa: T201
    print(f"{time.perf_counter() - started:.0f} s")  # noqa: T201


if __name__ == "__main__":
    main()
