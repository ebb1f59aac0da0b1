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
    def lanes(self) -> int: ...
    @property
    def kept(self) -> int: ...
    def kept_scalars(self, rows: int, hidden: int, directions: int) -> int:
        """Size of the buffer that forward fills for backward, in elements."""

    def accepts(self, x: Any, weights: tuple[Any, ...]) -> bool:
        """Whether all tensors are of the kernel's element type, on the CPU and not empty."""

    def forward(
        self,
        x: Any,
        state_0: tuple[Any, ...],
        weights: tuple[Any, ...],
        ragged: tuple[Any, ...],
        reverse: bool,
        threads: int,
        keep: bool,
        sizes: tuple[int, ...],
    ) -> tuple[Any, tuple[Any, ...], Any | None] | None:
        """Make the outputs, the final states and what backward needs, if that is to be kept.

        `sizes` are I and H of the layer, or empty. Returns None for tensors that `accepts` refuses, and for an x,
        states and weights that do not fit together or to the sizes.
        """

    def backward(
        self,
        saved: tuple[Any, ...],
        doutputs: tuple[Any, ...],
        wanted: tuple[bool, ...],
        states: int,
        ragged: tuple[Any, ...],
        reverse: bool,
        threads: int,
        clip: tuple[float, bool],
    ) -> tuple[Any | None, ...] | None:
        """Make the gradients of x, the states and the weights, in this order, None where none is wanted.

        `saved` are y, what was kept, x, as many initial states as `states` says, and the weights. What `wanted` says of
        more tensors in front of these is passed over: None comes back for them. `doutputs` are the gradients of y and
        of each final state, None for zero. `clip` is a limit for the gradients of states from step to step, 0 for none,
        and whether it is one of the norm. There is no backward pass for bfloat16.

        Returns None where a gradient is not to be looked at, since it stands for many, as while a vmap is going on.
        """

class Trainer:
    """Whole updates of small networks, for one element type and one instruction set."""

    @property
    def isa(self) -> str: ...
    @property
    def is_double(self) -> bool: ...
    def learn(
        self,
        layers: list[tuple[Kernel, tuple[Any, ...], tuple[Any, ...]]],
        output: tuple[Any, Any | None],
        objective: str,
        final_state: bool,
        batch_first: bool,
        batches: list[tuple[Any, Any]],
        windows: Any,
        reports: Any,
        rule: str,
        moments: list[tuple[Any | None, Any | None]],
        settings: Any,
        clip: float,
        steps: list[Any],
        threads: int,
    ) -> int:
        """Train on the windows of each batch (x, target), one update each; returns how many there were.

        It ends before a loss or gradient that is no number. `settings` are rows of learning rate, weight decay, both
        betas and epsilon: one row, or one for each update.
        `steps` are the optimizer's counts of updates, which go on by as many; none for SGD.
        """

class Peak:
    """Work for measuring how fast this processor multiplies and adds at all."""

    @property
    def isa(self) -> str: ...
    def work(self, threads: int) -> float:
        """Multiply and add in registers alone, in float32. Returns how many operations, two for each fused one."""

class Stream:
    """A stack of layers and a linear output that advance one step at a time."""

    def __init__(self, trainer: Trainer, inputs: int) -> None: ...
    def add_layer(self, kernel: Kernel, weights: tuple[Any, ...], hidden: int) -> None:
        """Put a layer on top: (w_ih, w_hh, b_ih, b_hh), with the memory of numpy arrays; biases may be None."""

    def set_output(self, weight: Any, bias: Any | None, outputs: int, activation: str) -> None: ...
    def step(self, x: Any, y: Any) -> int:
        """From x (I) to y (O). Returns -1, or where the first value that is not finite stands: then nothing changes."""

    def run(self, x: Any, y: Any, steps: int) -> int:
        """From x (T, I) to y (T, O); returns what `step` returns."""

    def get_state(self, layer: int, to: Any) -> None: ...
    def set_state(self, layer: int, source: Any) -> None: ...

def instruction_sets() -> list[str]:
    """Instruction sets that this processor can run, best first."""

def kernels() -> list[Kernel]:
    """All compiled cells, for every instruction set."""

def learners() -> list[Trainer]:
    """The learners, for every instruction set."""

def peaks() -> list[Peak]:
    """The work for peaks, for every instruction set."""

def free_memory() -> int:
    """Bytes that the process can still allocate."""

def processors() -> int:
    """Processors that the process may run on."""

def release_threads() -> None:
    """End the threads of the pool before a fork."""
