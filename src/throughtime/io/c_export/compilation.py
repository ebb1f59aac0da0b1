"""Runs generated code: compiled to a temporary program that reads inputs and writes outputs."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-std=c99", "-O2")
_SECONDS = 120

_MAIN = """\
#include "{name}.h"

#include <stdio.h>

int main(void)
{{
    static float x[{upper}_INPUTS], y[{upper}_OUTPUTS];
    static {name}_state state;
    {name}_init(&state);
    while (fread(x, sizeof x, 1, stdin) == 1)
        if ({name}_step(&state, x, y) != {upper}_OK || fwrite(y, sizeof y, 1, stdout) != 1) return 1;
    return 0;
}}
"""


def find_compiler() -> str | None:
    """Return the first C compiler that is installed."""
    return next(filter(None, map(shutil.which, COMPILERS)), None)


def run_compiled(source: Path, x: np.ndarray, compiler: str, flags: tuple[str, ...] = FLAGS) -> np.ndarray:
    """Return the outputs (T, O) of generated code for inputs (T, I).

    Raises:
        OSError: says what the compiler, or the program, has printed.
    """
    name = source.stem
    with tempfile.TemporaryDirectory(prefix="throughtime-") as folder:
        main, program = Path(folder, "main.c"), Path(folder, "program")
        main.write_text(_MAIN.format(name=name, upper=name.upper()))
        include = f"-I{source.parent.resolve()}"
        _run([compiler, *flags, include, str(main), str(source.resolve()), "-o", str(program)])
        output = _run([str(program)], np.ascontiguousarray(x, np.float32).tobytes())
    return np.frombuffer(output, np.float32).reshape(len(x), -1)


def _run(command: list[str], stdin: bytes = b"") -> bytes:
    try:
        result = subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=_SECONDS)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{command[0]}: not done after {_SECONDS} seconds") from error
    if result.returncode:
        message = result.stderr.decode(errors="replace").strip()
        raise OSError(f"{command[0]}: {message.splitlines()[0] if message else f'status {result.returncode}'}")
    return result.stdout
