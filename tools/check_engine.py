"""Check that an installed wheel finds its kernels and computes with them; it needs numpy alone.

cibuildwheel runs this file for the wheels of both distributions.
"""

from __future__ import annotations

import sys

import numpy as np

from throughtime import _kernels

INPUTS, HIDDEN, STEPS = 3, 5, 20


def main() -> int:
    """Compare an Elman network of the compiled module with its equation."""
    kernel, trainer = _kernels.find("rnn", "tanh", 64), _kernels.find_trainer(double=True)
    if kernel is None or trainer is None:
        sys.exit("the compiled kernels were not found")
    rng = np.random.default_rng(0)
    w_ih, w_hh, bias = (rng.normal(size=size) for size in ((HIDDEN, INPUTS), (HIDDEN, HIDDEN), HIDDEN))
    network = _kernels.new_streaming_network(trainer, INPUTS)
    network.add_layer(kernel, (w_ih, w_hh, bias, None, None), HIDDEN)
    h, y = np.zeros(HIDDEN), np.empty(HIDDEN)
    for x in rng.normal(size=(STEPS, INPUTS)):
        network.step(x, y)
        h = np.tanh(w_ih @ x + w_hh @ h + bias)
    error = float(np.abs(y - h).max())
    print(f"{sys.platform}, Python {sys.version.split()[0]}, {_kernels.isa}: largest difference {error:.1e}")
    return int(not error < 1e-12)


if __name__ == "__main__":
    sys.exit(main())
