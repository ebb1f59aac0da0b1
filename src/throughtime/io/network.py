"""Layers and layouts in model directories: `throughtime.save` writes them, `throughtime.load` reads them.

What is written is a description and weights, nothing that could run. `throughtime.runtime` reads the same directories
without torch.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch

from throughtime import nn
from throughtime._core.errors import InputError
from throughtime.io import saved_model
from throughtime.io.network_description import check_description
from throughtime.io.own_module import save_module
from throughtime.runtime import StreamingNetwork

if TYPE_CHECKING:
    import os

    from throughtime.io.own_module import ExampleInputs

TASK = "network"
_DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}
_LAYERS: dict[str, Any] = {layer.__name__: layer for layer in nn.LAYERS.values()}
_LAYOUTS = {"OneToOne": nn.OneToOne, "ManyToMany": nn.ManyToMany, "ManyToOne": nn.ManyToOne}
_OPTIONS = (
    "input_size",
    "hidden_size",
    "num_layers",
    "bias",
    "batch_first",
    "dropout",
    "bidirectional",
    "recurrent_bias",
)


def save(
    model: torch.nn.Module,
    directory: str | os.PathLike[str],
    *,
    example_inputs: ExampleInputs | None = None,
    overwrite: bool = False,
) -> None:
    """Write a network into a new model directory.

    A layer, or a layout around one, is written as a description and weights. Any other module is written as the graph
    of operators that its `forward` applies in evaluation, which takes example inputs: their batch and length may have
    any size later, see `throughtime.io.own_module`.

    Args:
        model: an `RNN`, `GRU` or `LSTM`; a `OneToOne`, `ManyToMany` or `ManyToOne`; or a custom module.
        directory: is created.
        example_inputs: a tuple, or a dict by name, of tensors that `forward` takes; for a custom module.
        overwrite: replace a model directory of that name.

    Raises:
        InputError: for a module that no file can hold, with the reason; for weights that such a model does not have (as
            pruned ones), or where the directory cannot be written.
    """
    if example_inputs is not None and not _is_described(model):
        save_module(model, directory, example_inputs, overwrite=overwrite)
        return
    description = describe(model)
    # Weights that two layers share are written twice.
    weights = {name: value.detach().clone() for name, value in model.state_dict().items()}
    _check_weights(description, weights)
    saved = saved_model.SavedModel({"task": TASK, "network": description}, weights)
    saved_model.write(directory, saved, overwrite=overwrite)


def _check_weights(description: dict[str, Any], weights: dict[str, torch.Tensor]) -> None:
    """Refuse what could not be read again.

    Raises:
        InputError: names what is missing or too much, or has another shape or element type.
    """
    if description["dtype"] not in _DTYPES:
        raise InputError(f"save: expected weights of {', '.join(_DTYPES)}, got {description['dtype']}")
    if any(value.is_meta for value in weights.values()):
        raise InputError("save: expected weights in memory, got a model on the meta device")
    expected = _build(description).state_dict()
    odd = sorted(expected.keys() ^ weights.keys())
    if odd:
        raise InputError(
            f"save: expected the weights of a plain {description['layer']}, and {odd[0]} is "
            f"{'missing' if odd[0] in expected else 'none of them'}; remove what prunes or parametrises weights first"
        )
    for name, like in expected.items():
        weight = weights[name]
        if (weight.shape, weight.dtype) != (like.shape, like.dtype):
            raise InputError(
                f"save: {name}: expected {tuple(like.shape)} of {like.dtype}, "
                f"got {tuple(weight.shape)} of {weight.dtype}"
            )


def _is_described(model: torch.nn.Module) -> bool:
    """Return whether a description says all that a model computes."""
    try:
        describe(model)
    except InputError:
        return False
    return True


def describe(model: torch.nn.Module) -> dict[str, Any]:
    """Return what a network is made of, as JSON can hold it.

    Raises:
        InputError: for a model that `save` cannot write.
    """
    layout = _name_of(model, _LAYOUTS)
    layer: Any = model.layer if layout else model
    kind = _name_of(layer, _LAYERS)
    if kind is None:
        names, own = ", ".join([*_LAYERS, *_LAYOUTS]), type(model).__name__
        raise InputError(
            f"save: expected one of {names}, got {own}; a module of your own needs tensors that its forward takes: "
            f'tt.save(model, "{own.lower()}", example_inputs=(x,))'
        )
    functions = {name: getattr(layer, own) for name, own in layer.activation_arguments.items()}
    special = layer.options.non_default() | layer.variant_options()
    if callable(special.get("clip_state_grad")):
        raise InputError("clip_state_grad: expected a number, got a function, which no file can hold")
    description: dict[str, Any] = {
        "layer": kind,
        "cell": layer.cell.name,
        "options": {name: getattr(layer, name) for name in _OPTIONS} | functions | special,
        "dtype": str(layer.all_weights[0][0].dtype).removeprefix("torch."),
    }
    if layer.proj_size:
        description["options"]["proj_size"] = layer.proj_size
    if layout:
        output: Any = model.output
        description |= {"layout": layout, "outputs": output.out_features, "output_activation": output.activation}
        functions["output_activation"] = output.activation
        if isinstance(model, nn.ManyToOne):
            description["pooling"] = model.pooling.kind
    for name, value in functions.items():
        if not isinstance(value, str):
            raise InputError(f"{name}: expected a name, got a function, which no file can hold")
    return description


def make_stream(model: torch.nn.Module) -> StreamingNetwork:
    """Return a network as it is now, running step by step outside of torch.

    Raises:
        InputError: for a network that cannot.
    """
    return StreamingNetwork(describe(model), {name: value.numpy() for name, value in model.state_dict().items()})


def restore(saved: saved_model.SavedModel) -> torch.nn.Module:
    """Return the module that `save` wrote. Counts are checked against the weights before anything is built.

    Raises:
        ValueError: where description and weights do not fit together.
    """
    description = saved.config["network"]
    check_description(description, {name: tuple(tensor.shape) for name, tensor in saved.tensors.items()})
    model = _build(description)
    if json.dumps(describe(model), sort_keys=True) != json.dumps(description, sort_keys=True):
        raise ValueError("network: expected a description as throughtime.save writes it")
    if any(tensor.dtype != _DTYPES[description["dtype"]] for tensor in saved.tensors.values()):
        raise ValueError(f"dtype: expected weights of {description['dtype']}")
    model.load_state_dict(saved.tensors, strict=True, assign=True)
    return model.requires_grad_(requires_grad=True)


def _build(description: dict[str, Any]) -> Any:
    """Return a network as it is described, without memory."""
    dtype = _DTYPES[description["dtype"]]
    with torch.device("meta"):
        options = dict(description["options"])
        if isinstance(options.get("zoneout"), list):
            options["zoneout"] = tuple(options["zoneout"])  # JSON knows lists alone
        model: Any = _LAYERS[description["layer"]](**options, dtype=dtype)
        if "layout" in description:
            names = ("output_activation", "pooling")
            arguments = {name: description[name] for name in names if name in description}
            model = _LAYOUTS[description["layout"]](model, description["outputs"], **arguments)
    return model


def _name_of(module: torch.nn.Module, types: dict[str, Any]) -> str | None:
    return next((name for name, kind in types.items() if type(module) is kind), None)
