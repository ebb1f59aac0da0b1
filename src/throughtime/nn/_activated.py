"""What layers and single steps share: activations that may be set at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from throughtime._manner import Manner
from throughtime.nn._notebook import ShownInNotebooks

if TYPE_CHECKING:
    from throughtime._reference import Activation


class Activated(ShownInNotebooks):
    """A module whose cell has activations; `manner` is what they make of its steps."""

    activation: str | Activation
    gate_activation: str | Activation
    manner: Manner

    def activate(self, activation: str | Activation, gate_activation: str | Activation) -> None:
        """Set both.

        Raises:
            ValueError: for the name of an activation that there is not.
        """
        self.manner = Manner.of(activation, gate_activation)
        self.activation, self.gate_activation = activation, gate_activation

    def __setattr__(self, name: str, value: Any) -> None:
        if name in {"activation", "gate_activation"} and "gate_activation" in {*vars(self), *self._modules}:
            both = {"activation": self.activation, "gate_activation": self.gate_activation, name: value}
            manner = Manner.of(**both)
            self._modules.pop(name, None)
            super().__setattr__(name, value)
            self.manner = manner
        else:
            super().__setattr__(name, value)
