"""The description of a network in a model directory, checked against its weights before anything is built.

`throughtime.io.network` writes and reads it with torch, `throughtime.runtime` reads it without.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    Shape = tuple[int, ...]

_COUNTS = ("input_size", "hidden_size", "num_layers")
_FLAGS = ("bias", "batch_first", "bidirectional", "recurrent_bias")
_OPTIONAL_FLAGS = ("layer_norm", "reset_after", "peephole", "coupled_gates")  # where they differ from what is usual
_FUNCTION_NAMES = ("nonlinearity", "activation", "gate_activation")


def check_description(description: Any, shapes: Mapping[str, Shape]) -> None:
    """Refuse a description that is not that of the weights.

    Args:
        description: of a network, as `throughtime.save` writes it.
        shapes: of the weights, by name.

    Raises:
        ValueError: names what does not fit.
        KeyError: names what is missing.
    """
    options = description["options"]
    for name in _COUNTS:
        _check_count(name, options[name])
    if "proj_size" in options:
        _check_count("proj_size", options["proj_size"])
    for name in _FLAGS:
        _expect(name, options[name], "true or false", isinstance(options[name], bool))
    for name in _OPTIONAL_FLAGS:
        _expect(name, options.get(name, False), "true or false", isinstance(options.get(name, False), bool))
    for name in _FUNCTION_NAMES:
        _expect(name, options.get(name, ""), "a name", isinstance(options.get(name, ""), str))
    for name in ("layer", "cell", "dtype"):
        _expect(name, description[name], "a name", isinstance(description[name], str))
    dropout = options["dropout"]
    _expect("dropout", dropout, "a probability", _is_number(dropout) and 0 <= dropout <= 1)
    _check_shapes(description, options, shapes)


def _check_shapes(description: Any, options: Any, shapes: Mapping[str, Shape]) -> None:
    """Refuse counts that are not those of the weights."""
    prefix = "layer." if "layout" in description else ""
    pattern = re.compile(re.escape(prefix) + r"weight_hh_l[0-9]+(_reverse)?")
    layers = sum(pattern.fullmatch(name) is not None for name in shapes)
    directions = 2 if options["bidirectional"] else 1
    _check_equal("num_layers", options["num_layers"] * directions, layers)
    inner = options.get("proj_size") or options["hidden_size"]
    weight_ih, weight_hh = (_matrix_shape(f"{prefix}weight_{kind}_l0", shapes) for kind in ("ih", "hh"))
    _check_equal("input_size", options["input_size"], weight_ih[1])
    _check_equal("hidden_size or proj_size", inner, weight_hh[1])
    _check_equal("hidden_size", 0, weight_hh[0] % options["hidden_size"])
    if prefix:
        _check_count("outputs", description["outputs"])
        _expect(
            "output_activation",
            description["output_activation"],
            "a name",
            isinstance(description["output_activation"], str),
        )
        rows, columns = _matrix_shape("output.weight", shapes)
        _check_equal("outputs", description["outputs"], rows)
        _check_equal("hidden_size", inner * directions, columns)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_count(name: str, value: Any) -> None:
    _expect(name, value, "a whole number of 1 or more", type(value) is int and value > 0)


def _expect(name: str, value: Any, expected: str, is_met: bool) -> None:
    if not is_met:
        raise ValueError(f"{name}: expected {expected}, got {str(value)[:40]!r}")


def _check_equal(name: str, described: int, actual: int) -> None:
    if described != actual:
        raise ValueError(f"{name}: the weights are those of another network")


def _matrix_shape(name: str, shapes: Mapping[str, Shape]) -> Shape:
    shape = shapes[name]
    if len(shape) != 2:
        raise ValueError(f"{name}: expected a matrix, got the shape {shape}")
    return shape
