"""How a scan is run, besides its cell and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from throughtime._core.reference import ACTIVATIONS, activation_name

if TYPE_CHECKING:
    from throughtime._core.reference import Activation
    from throughtime._core.state_transforms import StateTransforms


class ScanConfig(NamedTuple):
    """The activations of a scan and what else happens at its steps.

    Attributes:
        activation: a name that the kernels know, or any function of a tensor.
        gate_activation: that of the gates, likewise.
        fallback_reason: why no kernel can run like this, or nothing.
        transforms: what happens besides the steps, for each direction; empty for nothing.
        clip: of the gradients of the states, in the kernels' words: a limit, 0 for none, and whether it is one of the
            norm. `transforms` say the same to the reference path.
    """

    activation: str | Activation
    gate_activation: str | Activation
    fallback_reason: str
    transforms: tuple[StateTransforms, ...] = ()
    clip: tuple[float, bool] = (0.0, False)

    @classmethod
    def of(cls, activation: str | Activation, gate_activation: str | Activation) -> ScanConfig:
        """That of a scan whose steps are those of its cell alone.

        Raises:
            ValueError: for the name of an activation that there is not.
        """
        for what, given in (("activation", activation), ("gate_activation", gate_activation)):
            if isinstance(given, str) and given not in ACTIVATIONS:
                known = ", ".join(ACTIVATIONS)
                raise ValueError(f"{what}: expected one of {known} or a function of a tensor, got {given!r}")
        fallback_reason = ""
        if not isinstance(activation, str):
            fallback_reason = f"activation {activation_name(activation)} is not compiled"
        elif gate_activation != "sigmoid":
            fallback_reason = f"gate activation {activation_name(gate_activation)} is not compiled"
        return cls(activation, gate_activation, fallback_reason)
