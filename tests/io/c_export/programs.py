"""Networks of every kind that goes to C, inputs for them, and compilers."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from throughtime import nn

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror")
COMPILERS = [
    pytest.param(name, marks=pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed"))
    for name in ("gcc", "clang")
]
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (cc) is installed")

OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "rnn": ("RNN", {}),
    "rnn relu": ("RNN", {"nonlinearity": "relu"}),
    "rnn sigmoid": ("RNN", {"nonlinearity": "sigmoid", "recurrent_bias": False}),
    "rnn projected": ("RNN", {"proj_size": 3}),
    "gru": ("GRU", {}),
    "gru batch first": ("GRU", {"batch_first": True}),
    "gru reset before": ("GRU", {"reset_after": False}),
    "gru projected": ("GRU", {"proj_size": 5}),
    "gru relu": ("GRU", {"activation": "relu"}),
    "lstm": ("LSTM", {}),
    "lstm without bias": ("LSTM", {"bias": False}),
    "lstm peephole": ("LSTM", {"peephole": True}),
    "lstm coupled": ("LSTM", {"coupled_gates": True}),
    "lstm coupled peephole": ("LSTM", {"coupled_gates": True, "peephole": True}),
    "lstm projected": ("LSTM", {"proj_size": 4}),
    "lstm peephole projected": ("LSTM", {"peephole": True, "proj_size": 4, "zoneout": 0.1}),
    "lstm zoneout": ("LSTM", {"zoneout": 0.2}),
}
"""Layers, and options, of every kind."""


def mostly_slow(values: Iterable[Any], *fast: Any) -> list[Any]:
    """Return the values of a parameter, of which all but a few are for the slow tests."""
    return [value if value in fast else pytest.param(value, marks=pytest.mark.slow) for value in values]


def network(kind: str, *, inputs: int = 3, hidden: int = 13, layers: int = 1, outputs: int = 2) -> torch.nn.Module:
    """Return a network whose outputs depend on every weight."""
    layer, options = OPTIONS[kind]
    torch.manual_seed(hidden)
    built = getattr(nn, layer)(inputs, hidden, layers, **options)
    return nn.ManyToMany(built, outputs, output_activation="tanh").eval()


def signals(inputs: int, steps: int) -> dict[str, np.ndarray]:
    """Return random inputs, and tones that are driven until they are clipped, as audio is."""
    generator = np.random.default_rng(0)
    seconds = np.arange(steps)[:, None] / 48000
    tones = np.sin(2 * np.pi * 110 * np.arange(1, inputs + 1) * seconds) + 0.3 * generator.standard_normal((steps, 1))
    return {
        "random": generator.standard_normal((steps, inputs), np.float32),
        "clipped audio": np.clip(20 * tones, -1, 1).astype(np.float32),
    }


def run(command: list[str], cwd: Path) -> str:
    """Run a command, require that it succeeds, and return what it prints."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout
