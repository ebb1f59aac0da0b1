from typing import Any

class Kernel:
    """One compiled cell for one element type and one instruction set."""

    @property
    def cell(self) -> str: ...
    @property
    def activation(self) -> str: ...
    @property
    def isa(self) -> str: ...
    @property
    def bits(self) -> int: ...
    @property
    def gates(self) -> int: ...
    @property
    def states(self) -> int: ...
    @property
    def diagonals(self) -> int: ...
    @property
    def gate_names(self) -> str: ...
    @property
    def separate_halves(self) -> str: ...
    @property
    def state_names(self) -> str: ...
    @property
    def diagonal_names(self) -> str: ...
    @property
    def lanes(self) -> int: ...
    @property
    def reserve_vectors(self) -> int: ...
    def reserve_size(self, rows: int, hidden: int, directions: int) -> int:
        """Return the size of the buffer that forward fills for backward, in elements."""

    def accepts(self, x: Any, weights: tuple[Any, ...]) -> bool:
        """Return whether all tensors are of the kernel's element type, on the CPU and not empty."""

    def forward(
        self,
        x: Any,
        state_0: tuple[Any, ...],
        weights: tuple[Any, ...],
        lengths: tuple[Any, ...],
        reverse: bool,
        threads: int,
        training: bool,
        sizes: tuple[int, ...],
    ) -> tuple[Any, tuple[Any, ...], Any | None] | None:
        """Return the outputs, the final states and, in `training`, the reserve for the backward pass.

        `sizes` are I and H of the layer, or empty. Returns None for tensors that `accepts` refuses, and for an x,
        states and weights whose shapes do not match each other or the sizes.
        """

    def forward_arrays(
        self,
        x: Any,
        state_0: tuple[Any, ...],
        weights: tuple[Any, ...],
        tables: tuple[Any, ...],
        reverse: bool,
        threads: int,
        y: Any,
        finals: tuple[Any, ...],
    ) -> None:
        """Run `forward` without torch: all are contiguous arrays of numpy, and y and the final states are filled.

        `tables` are the lengths and the order, or empty. Raises ValueError for whatever does not fit.
        """

    def backward(
        self,
        saved: tuple[Any, ...],
        doutputs: tuple[Any, ...],
        needed: tuple[bool, ...],
        states: int,
        lengths: tuple[Any, ...],
        reverse: bool,
        threads: int,
        clip: tuple[float, bool],
    ) -> tuple[Any | None, ...] | None:
        """Return the gradients of x, the states and the weights, in this order; None where `needed` is False.

        `saved` are y, the reserve, x, as many initial states as `states`, and the weights. If `needed` has more
        elements, the first ones are skipped and get None. `doutputs` are the gradients of y and of each final state,
        None for zero. `clip` is a limit for the gradients of states from step to step, 0 for none, and whether it
        limits the norm. There is no backward pass for bfloat16.

        Returns None if a gradient is not readable, such as a batched tensor of vmap.
        """

class Trainer:
    """Training updates of small networks, for one element type and instruction set."""

    @property
    def isa(self) -> str: ...
    @property
    def is_double(self) -> bool: ...
    def train(
        self,
        layers: list[tuple[Kernel, tuple[Any, ...], tuple[Any, ...]]],
        output: tuple[Any, Any | None],
        objective: str,
        final_state: bool,
        batch_first: bool,
        batches: list[tuple[Any, Any]],
        windows: Any,
        reports: Any,
        optimizer: str,
        moments: list[tuple[Any | None, Any | None]],
        settings: Any,
        clip: float,
        steps: list[Any],
        threads: int,
    ) -> int:
        """Train on the windows of each batch (x, target), one update each; return the number of updates.

        It ends before a loss or gradient that is not finite. `settings` are rows of learning rate, weight decay, both
        betas and epsilon: one row, or one for each update. `steps` are the optimizer's step counts, which are advanced;
        none for SGD.
        """

class PeakFlops:
    """A measurement of the processor's peak arithmetic throughput."""

    @property
    def isa(self) -> str: ...
    def run(self, threads: int) -> float:
        """Run multiply-adds in registers, in float32. Return the number of operations, two for each multiply-add."""

class StreamingNetwork:
    """A stack of layers with a linear output that advances one step at a time."""

    def __init__(self, trainer: Trainer, inputs: int) -> None: ...
    def add_layer(self, kernel: Kernel, weights: tuple[Any, ...], hidden: int) -> None:
        """Put a layer on top: (w_ih, w_hh, b_ih, b_hh, diagonal), as numpy arrays; missing ones are None."""

    def set_output(self, weight: Any, bias: Any | None, outputs: int, activation: str) -> None: ...
    def step(self, x: Any, y: Any) -> int:
        """Advance from x (I) to y (O). Return -1, or the position of the first value of x that is not finite.

        In the second case nothing changes.
        """

    def run(self, x: Any, y: Any, steps: int) -> int:
        """Advance from x (T, I) to y (T, O); return what `step` returns."""

    def step_rows(self, x: Any, states: Any, y: Any, rows: int) -> int:
        """Advance streams together, from x (N, I) to y (N, O) and the states (L, S, N, H) in place.

        Returns what `step` returns. A row gets the same bits as alone; the network's own states do not change.
        """

    def get_state(self, layer: int, to: Any) -> None: ...
    def set_state(self, layer: int, source: Any) -> None: ...

def instruction_sets() -> list[str]:
    """Return the instruction sets of this processor, best first."""

def kernels() -> list[Kernel]:
    """Return all compiled cells, for every instruction set."""

def trainers() -> list[Trainer]:
    """Return the trainers, for every instruction set."""

def peak_flops() -> list[PeakFlops]:
    """Return the measurements of peak throughput, for every instruction set."""

def free_memory() -> int:
    """Return the number of bytes that the process can still allocate."""

def processors() -> int:
    """Return the number of processors that the process may run on."""

def release_threads() -> None:
    """End the threads of the pool before a fork."""
