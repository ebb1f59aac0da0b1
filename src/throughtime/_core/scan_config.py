"""What happens in a scan in addition to the steps of its cell, as one value."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from throughtime._core.activations import ACTIVATIONS, activation_name
from throughtime._core.state_transforms import kernel_clip

if TYPE_CHECKING:
    from throughtime._core.activations import Activation
    from throughtime._core.state_transforms import StateTransforms


class ScanConfig(NamedTuple):
    """The activations of a scan, its direction, and what happens to the states between the steps.

    Attributes:
        activation: a name that the kernels know, or any function of a tensor.
        gate_activation: the same for the gates.
        fallback_reason: why no kernel can run this; empty if one can.
        transforms: of the states between the steps, for each direction; empty for none.
        reverse: whether a single direction runs backwards in time.
    """

    activation: str | Activation
    gate_activation: str | Activation
    fallback_reason: str = ""
    transforms: tuple[StateTransforms, ...] = ()
    reverse: bool = False

    @classmethod
    def of(cls, activation: str | Activation, gate_activation: str | Activation = "sigmoid") -> ScanConfig:
        """Return the configuration of a scan that does nothing but the steps of its cell.

        Raises:
            ValueError: for an unknown name of an activation.
        """
        for name, value in (("activation", activation), ("gate_activation", gate_activation)):
            if isinstance(value, str) and value not in ACTIVATIONS:
                names = ", ".join(ACTIVATIONS)
                raise ValueError(f"{name}: expected one of {names} or a function of a tensor, got {value!r}")
        fallback_reason = ""
        if not isinstance(activation, str):
            fallback_reason = f"activation {activation_name(activation)} is not compiled"
        elif gate_activation != "sigmoid":
            fallback_reason = f"gate activation {activation_name(gate_activation)} is not compiled"
        return cls(activation, gate_activation, fallback_reason)

    @property
    def clip(self) -> tuple[float, bool]:
        """What the kernels clip the gradients of states to: a limit, 0 for none, and whether it limits the norm."""
        return kernel_clip(self.transforms[0].clip) if self.transforms else (0.0, False)
