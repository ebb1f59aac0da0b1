"""A model directory as arrays and graphs, from which each task builds its model without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError
from throughtime.io.network_description import check_description
from throughtime.runtime.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from throughtime.runtime.graph import BoundGraph


@dataclass(frozen=True)
class ModelDirectory:
    """Content of a model directory.

    Attributes:
        config: what JSON can hold.
        arrays: weights and others by name.
    """

    config: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        for name, array in self.arrays.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ValueError(f"{name}: some weights are not finite")

    def bind(self, name: str) -> BoundGraph:
        """Return a graph of the network, ready to be called.

        Raises:
            InputError: for a directory from before there were graphs.
            ValueError: for a graph that is damaged, or lacks a weight.
        """
        weights = {key.removeprefix("network."): a for key, a in self.arrays.items() if key.startswith("network.")}
        return Graph.from_json(self._entry("graphs")[name]).bind(weights)

    def network(self, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the description of a part of the network, a layer or a layout around one, and its weights.

        Raises:
            InputError: for a directory from before there were descriptions.
            ValueError: for a description that is not that of the weights.
        """
        prefix = f"network.{name}."
        weights = {key.removeprefix(prefix): a for key, a in self.arrays.items() if key.startswith(prefix)}
        description = self._entry(name)
        check_description(description, {key: array.shape for key, array in weights.items()})
        return description, weights

    def _entry(self, name: str) -> Any:
        if name not in self.config:
            raise InputError(
                "written by a former version of throughtime, for throughtime.load alone; load it with that, and save "
                "it again"
            )
        return self.config[name]

    @staticmethod
    def check_shape(result: np.ndarray, expected: tuple[int | None, ...]) -> None:
        """Refuse a network whose result for an example has another shape.

        Raises:
            ValueError: says which; None stands for any size.
        """
        sizes = zip(result.shape, expected, strict=False)
        if result.ndim != len(expected) or any(e is not None and s != e for s, e in sizes):
            raise ValueError(f"the network does not fit: expected results of {expected}, got {result.shape}")
