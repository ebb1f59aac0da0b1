"""Networks as C99, for microcontrollers and programs without Python: what `throughtime.export` writes to a `.c` file.

The step of a network is captured as a graph of operators (`one_step`), the graph becomes products, loops over units and
copies (`lowering`, `optimization`), and these become C (`source`, `files`). No part knows the cells: a new cell, or an
custom activation, is exported if `expressions` has its operators.
"""

from __future__ import annotations

import hashlib
import os
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from throughtime._core.errors import InputError
from throughtime._core.version import __version__
from throughtime.io.atomic_files import atomic_write
from throughtime.io.c_export import accuracy, compilation
from throughtime.io.c_export.files import Facts, write_header, write_source
from throughtime.io.c_export.lowering import lower
from throughtime.io.c_export.names import check_name
from throughtime.io.c_export.one_step import capture_step, recurrent_layer
from throughtime.io.c_export.optimization import optimize
from throughtime.io.c_export.packing import WEIGHTS
from throughtime.io.c_export.source import write_code

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from throughtime.io.c_export.accuracy import WeightError

_VERIFIED_STEPS = 2000


@dataclass(frozen=True)
class CExport:
    """What has been written, and how well it agrees with the network.

    Attributes:
        source: the `.c` file.
        header: the `.h` file.
        constant_bytes: of weights.
        state_bytes: of each stream.
        stack_bytes: of the local arrays of a step.
        weight_error: of int8 weights; None for float32.
        compiler: that compiled the code for the comparison; None where there is none.
        difference: the greatest one between the outputs of the compiled code and of the network with these weights, in
            units of the greatest output or of one; None where there is no compiler.
    """

    source: Path
    header: Path
    constant_bytes: int
    state_bytes: int
    stack_bytes: int
    weight_error: WeightError | None
    compiler: str | None
    difference: float | None


def export_c(
    model: torch.nn.Module,
    file: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    weights: str = "float32",
    data: ArrayLike | None = None,
) -> CExport:
    """Write a network of one direction as C99, and compare what a compiler makes of it with the network.

    Args:
        model: a recurrent layer, or a layout around one; weights of other element types become float32.
        file: the `.c` file; the `.h` file is next to it. Its name begins all names in the code.
        overwrite: replace files of these names.
        weights: how matrices are stored: 'float32', or 'int8' with a scale for each row, in a quarter of the memory.
        data: inputs (T, I) for the error of int8 weights; random ones if None.

    Raises:
        InputError: for a network that has no translation, a name that cannot begin identifiers, and where the files
            exist or cannot be written.
    """
    paths = check_paths(Path(file), overwrite=overwrite)
    if weights not in WEIGHTS:
        raise InputError(f"weights: expected {' or '.join(WEIGHTS)}, got {weights!r}")
    model, converted = _as_float32(model)
    step = capture_step(model)
    program = optimize(lower(step.graph, step.weights, step.states))
    code = write_code(program, weights)
    error = None
    if weights == "int8":
        error = accuracy.measure(model, None if data is None else accuracy.read_data(data, model))
    facts = Facts(
        name=paths[0].stem,
        version=__version__,
        network=step.network + converted,
        checksum=_checksum(step.weights),
        weights=weights,
        error="" if error is None else str(error),
        inputs=program.inputs.size,
        outputs=program.output.size,
        states=step.states,
    )
    try:
        for path, text in zip(paths, (write_source(facts, code), write_header(facts, code)), strict=True):
            with atomic_write(path) as temporary:
                temporary.write_text(text)
    except OSError as failure:
        raise InputError(f"{paths[0]}: cannot be written: {failure.strerror or failure}") from failure
    compiler, difference = _compare(paths[0], accuracy.quantized(model) if error else model)
    return CExport(*paths, code.constant_bytes, facts.state_bytes, code.scratch_bytes, error, compiler, difference)


def check_paths(file: Path, *, overwrite: bool) -> tuple[Path, Path]:
    """Return the paths of the source and the header.

    Raises:
        InputError: for a name that cannot begin identifiers, and for files that exist.
    """
    check_name(file.stem)
    paths = file.with_suffix(".c"), file.with_suffix(".h")
    for path in paths:
        if os.path.lexists(path) and not (overwrite and path.is_file()):
            raise InputError(f"{path} exists already; choose another name" + ("" if overwrite else ", or overwrite it"))
    return paths


def _as_float32(model: torch.nn.Module) -> tuple[torch.nn.Module, str]:
    """Return a network in float32, and in words what it was before."""
    parameters = getattr(recurrent_layer(model), "all_weights", None)
    dtype = parameters[0][0].dtype if parameters else torch.float32
    if dtype == torch.float32:
        return model, ""
    return deepcopy(model).float(), f", converted from {str(dtype).removeprefix('torch.')}"


def _checksum(weights: dict[str, np.ndarray]) -> str:
    """Return the SHA-256 of names and numbers."""
    digest = hashlib.sha256()
    for name, array in sorted(weights.items()):
        digest.update(f"{name} {array.shape} {array.dtype}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _compare(path: Path, model: torch.nn.Module) -> tuple[str | None, float | None]:
    """Return the compiler, and the greatest difference between its program and the network."""
    compiler = compilation.find_compiler()
    if compiler is None:
        return None, None
    x = accuracy.random_inputs(model, _VERIFIED_STEPS)
    expected = accuracy.run(model, x)
    try:
        actual = compilation.run_compiled(path, x, compiler)
    except OSError as error:
        raise InputError(f"{path}: is written, but cannot be compared with the network: {error}") from error
    scale = max(1.0, float(np.abs(expected).max()))
    return compiler, float(np.abs(actual - expected).max()) / scale
