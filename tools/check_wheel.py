"""Use an installed wheel: `python check_wheel.py LIBRARIES`, in an environment that holds the wheel and nothing else.

LIBRARIES is the directory of torch and the other dependencies. It is searched last, and editable installations in it
are not used.
"""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path


def main() -> int:
    """Import the package, and require that it comes from the wheel and finds its kernels."""
    sys.path.append(sys.argv[1])
    import torch

    import throughtime
    from throughtime import nn

    location = Path(throughtime.__file__)
    assert location.is_relative_to(sys.prefix), f"throughtime was imported from {location}"
    assert metadata.version("throughtime") == throughtime.__version__
    layer, x = nn.LSTM(2, 8), torch.randn(5, 3, 2)
    path = throughtime.which_path(layer, x)
    assert path.startswith("kernel"), path
    layer(x)[0].sum().backward()
    print(f"throughtime {throughtime.__version__}: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
