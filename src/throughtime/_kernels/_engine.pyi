class Kernel:
    """One compiled cell for one element type and one instruction set."""

    @property
    def cell(self) -> str: ...
    @property
    def activation(self) -> str: ...
    @property
    def isa(self) -> str: ...
    @property
    def is_double(self) -> bool: ...
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

    def forward(
        self,
        problem: tuple[int, ...],
        x: int,
        y: int,
        kept: int,
        state_0: tuple[int, ...],
        state_n: tuple[int, ...],
        weights: tuple[int, ...],
    ) -> None: ...
    def backward(
        self,
        problem: tuple[int, ...],
        x: int,
        y: int,
        kept: int,
        dy: int,
        dx: tuple[int, ...],
        state_0: tuple[int, ...],
        dstate_n: tuple[int, ...],
        dstate_0: tuple[int, ...],
        weights: tuple[int, ...],
        dweights: tuple[int, ...],
    ) -> None: ...

def instruction_sets() -> list[str]:
    """Instruction sets that this processor can run, best first."""

def kernels() -> list[Kernel]:
    """All compiled cells, for every instruction set."""

def release_threads() -> None:
    """End the threads of the pool before a fork."""
