"""Pictures of networks: what is drawn is what the network is, and what it does."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from throughtime import InputError, nn, training
from throughtime._core.reference import CELLS
from throughtime.nn._diagram import Architecture, Diagram, fold, unfold
from throughtime.training._plot_cell import diagram_of

torch_gru = torch.nn.Sequential(torch.nn.GRU(2, 4))


def unfolded(model: torch.nn.Module, steps: int, decoder_steps: int | None = None) -> Diagram:
    return unfold(Architecture.of(model), steps, decoder_steps)


def labels(diagram: Diagram, kind: str) -> list[str]:
    return [node.label.symbol + node.label.below + node.label.above for node in diagram.nodes if node.kind == kind]


def arrows(diagram: Diagram, kind: str) -> list[tuple[str, str]]:
    def name(index: int) -> str:
        label = diagram.nodes[index].label
        return label.symbol + label.below + label.above

    return [(name(edge.start), name(edge.end)) for edge in diagram.edges if edge.kind == kind]


@pytest.mark.parametrize(
    ("model", "inputs", "outputs"),
    [
        (nn.OneToOne(nn.RNN(2, 4), 1), ["x0", "x1", "x2"], ["y1", "y2", "y3"]),
        (nn.ManyToMany(nn.RNN(2, 4), 1), ["x0", "x1", "x2"], ["y1", "y2", "y3"]),
        (nn.ManyToOne(nn.RNN(2, 4), 1), ["x0", "x1", "x2"], ["y"]),
        (nn.OneToMany(nn.RNN(2, 4), 2), ["x0"], ["y1", "y2", "y3"]),
        (nn.GRU(2, 4), ["x0", "x1", "x2"], []),
        (torch_gru, ["x0", "x1", "x2"], []),
    ],
)
def test_inputs_and_outputs_are_those_of_the_network(
    model: torch.nn.Module, inputs: list[str], outputs: list[str]
) -> None:
    diagram = unfolded(model, 3)
    assert labels(diagram, "input") == inputs
    assert labels(diagram, "output") == outputs
    assert labels(diagram, "state") == ["h1", "h2", "h3"]
    assert arrows(diagram, "recurrent") == [("h0", "h1"), ("h1", "h2"), ("h2", "h3")]


def test_outputs_are_fed_back() -> None:
    assert arrows(unfolded(nn.OneToMany(nn.RNN(2, 4), 2), 3), "feedback") == [("y1", "h2"), ("y2", "h3")]


def test_the_output_of_many_to_one_leaves_from_the_last_step_or_from_all() -> None:
    final = unfolded(nn.ManyToOne(nn.GRU(2, 4, bidirectional=True), 1), 3)
    assert {start for start, end in arrows(final, "weights") if end == "y"} == {"h3→", "h1←"}
    mean = unfolded(nn.ManyToOne(nn.GRU(2, 4), 1, pooling="mean"), 3)
    assert {start for start, end in arrows(mean, "weights") if end == "y"} == {"h1", "h2", "h3"}


def test_directions_and_layers_are_drawn() -> None:
    diagram = unfolded(nn.LSTM(2, 4, 2, bidirectional=True), 3)
    assert Counter(node.kind for node in diagram.nodes) == {"input": 3, "state": 12, "initial": 4}
    assert ("h4(1)←", "h3(1)←") in arrows(diagram, "recurrent")
    assert ("h1(1)→", "h1(2)←") in arrows(diagram, "weights")


def test_a_decoder_starts_from_the_encoder_and_attends_to_it() -> None:
    model = nn.EncoderDecoder(nn.LSTM(3, 4, bidirectional=True), nn.LSTM(2, 8), 2, attention="dot")
    diagram = unfolded(model, 4, 3)
    assert labels(diagram, "output") == ["y1", "y2", "y3"]
    assert {("h4→", "h1"), ("h1←", "h1")} <= set(arrows(diagram, "recurrent"))
    assert len(arrows(diagram, "attention")) == 4


def test_the_folded_network_names_its_weights_and_their_sizes() -> None:
    diagram = fold(Architecture.of(nn.ManyToMany(nn.LSTM(3, 5, proj_size=2), 4)))
    sizes = {edge.label.symbol + edge.label.below: edge.sizes for edge in diagram.edges if edge.label}
    assert sizes == {"Wx": (20, 3), "Wh": (20, 2), "Wy": (4, 2)}


@pytest.mark.parametrize("call", [training.plot_unfolded, lambda m: training.plot_states(m, torch.ones(3, 1, 2))])
def test_a_model_without_recurrence_is_refused(call: Any) -> None:
    with pytest.raises(ValueError, match="expected a recurrent layer"):
        call(torch.nn.Linear(2, 2))


def test_less_than_a_step_is_refused() -> None:
    with pytest.raises(ValueError, match="k: expected at least one step, got 0"):
        training.plot_unfolded(nn.GRU(2, 4), 0)


@pytest.mark.parametrize("model", [nn.LSTM(2, 4, 2), torch_gru, nn.LSTM(2, 4, proj_size=2), nn.RNN(2, 1)])
def test_states_and_gates_have_a_panel_each(model: torch.nn.Module) -> None:
    figure = training.plot_states(model, torch.randn(6, 3, 2), row=2)
    titles = [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]
    assert titles[0] == "input"
    assert len(titles) == len(set(titles)) > 1
    assert type(torch_gru[0]) is torch.nn.GRU


def test_units_that_behave_alike_are_neighbours() -> None:
    from throughtime.training._plots import _order_units

    wave = np.sin(np.arange(40) / 3)
    other = np.cos(np.arange(40) / 5)
    values = np.stack([wave, other, 1.1 * wave, 0.9 * other, 1.05 * wave])
    order = _order_units(values).tolist()
    positions = sorted(order.index(unit) for unit in (0, 2, 4))
    assert positions[-1] - positions[0] == 2


@pytest.mark.parametrize("batch_first", [True, False])
def test_memory_shows_that_the_past_does_not_see_the_future(batch_first: bool) -> None:
    model = nn.ManyToMany(nn.GRU(2, 4, batch_first=batch_first), 1)
    figure = training.plot_memory(model, torch.randn(7, 7, 2))
    effect = figure.axes[0].images[0].get_array()
    assert effect.shape == (7, 7)
    assert (effect[np.tril_indices(7, -1)] == -8).all()
    assert (effect[np.triu_indices(7)] > -8).all()


def test_memory_of_one_output_is_a_line() -> None:
    figure = training.plot_memory(nn.ManyToOne(nn.GRU(2, 4), 1), torch.randn(9, 3, 2))
    assert len(figure.axes[0].lines[0].get_xdata()) == 9


def test_memory_needs_numbers() -> None:
    with pytest.raises(ValueError, match="x: expected numbers"):
        training.plot_memory(nn.GRU(2, 4), torch.ones(5, 2, dtype=torch.int64))


def test_a_cell_is_drawn_as_it_is_computed() -> None:
    diagram = diagram_of("lstm")
    new = {name: diagram.labels[node] for name, node in diagram.outputs.items()}
    assert new == {"h": "×", "c": "+"}
    gates = {name: diagram.labels[node] for node, name in diagram.gates.items()}
    assert gates == {"i": "σ", "f": "σ", "g": "tanh", "o": "σ"}
    forget = next(node for node, name in diagram.gates.items() if name == "f")
    assert [diagram.labels[node] for node in diagram.sources(forget)] == ["W_f x_t + U_f h_{t-1}"]
    kept = next(end for start, end in diagram.edges if start == forget)
    assert sorted(diagram.labels[node] for node in diagram.sources(kept)) == ["c", "σ"]


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_has_a_picture_without_overlaps(name: str) -> None:
    figure = training.plot_cell(name)
    positions = [text.get_position() for text in figure.axes[0].texts]
    assert len(positions) == len({*positions})


def test_an_unknown_cell_has_no_picture() -> None:
    with pytest.raises(InputError, match=r"cell: expected one of .*, got 'gated'"):
        training.plot_cell("gated")
