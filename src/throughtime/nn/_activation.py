"""Activations that may be set at any time, for layers and single-step modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from throughtime._core.scan_config import ScanConfig
from throughtime.nn._notebook import NotebookReprMixin

if TYPE_CHECKING:
    from throughtime._core.activations import Activation


class ActivationMixin(NotebookReprMixin):
    """A module whose cell has activations; `scan_config` follows them."""

    activation: str | Activation
    gate_activation: str | Activation
    scan_config: ScanConfig

    def set_activations(self, activation: str | Activation, gate_activation: str | Activation) -> None:
        """Set both activations.

        Raises:
            ValueError: for an unknown name.
        """
        self.scan_config = ScanConfig.of(activation, gate_activation)
        self.activation, self.gate_activation = activation, gate_activation

    def __setattr__(self, name: str, value: Any) -> None:
        if name in {"activation", "gate_activation"} and "gate_activation" in {*vars(self), *self._modules}:
            both = {"activation": self.activation, "gate_activation": self.gate_activation, name: value}
            scan_config = ScanConfig.of(**both)
            self._modules.pop(name, None)
            super().__setattr__(name, value)
            self.scan_config = scan_config
        else:
            super().__setattr__(name, value)
