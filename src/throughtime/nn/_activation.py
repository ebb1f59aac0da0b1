"""What layers and single steps share: activations that may be set at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from throughtime._core.scan_config import ScanConfig
from throughtime.nn._notebook import NotebookReprMixin

if TYPE_CHECKING:
    from throughtime._core.reference import Activation


class ActivationMixin(NotebookReprMixin):
    """A module whose cell has activations; `scan_config` is what they make of its steps."""

    activation: str | Activation
    gate_activation: str | Activation
    scan_config: ScanConfig

    def set_activations(self, activation: str | Activation, gate_activation: str | Activation) -> None:
        """Set both.

        Raises:
            ValueError: for the name of an activation that there is not.
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
