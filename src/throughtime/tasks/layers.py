"""The recurrent layers that the networks of the tasks are built from."""

from __future__ import annotations

from typing import Any

from throughtime import nn

LAYERS: dict[str, Any] = nn.LAYERS
"""By the value of the parameter `cell`."""
