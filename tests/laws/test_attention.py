"""Attention and the encoder–decoder: masks, weights, and one call that equals many."""

from __future__ import annotations

import pytest
import torch
from tests.tolerances import assert_close

from throughtime import nn

KINDS = ["dot", "general", "additive"]
LENGTHS = [5, 1, 3]


def model(attention: str | None, *, bidirectional: bool = True, batch_first: bool = False) -> nn.EncoderDecoder:
    options = {"num_layers": 2, "batch_first": batch_first, "dtype": torch.float64}
    hidden = 4 if bidirectional else 8
    encoder = nn.LSTM(3, hidden, bidirectional=bidirectional, **options)
    return nn.EncoderDecoder(encoder, nn.LSTM(2, 8, **options), 2, attention=attention)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_add_up_to_one_over_what_is_valid(kind: str) -> None:
    query, memory = torch.randn(4, 3, 8), torch.randn(5, 3, 8)
    _, weights = nn.Attention(8, 8, kind)(query, memory, lengths=LENGTHS)
    assert_close(weights.sum(-1), torch.ones(3, 4), "forward")
    for row, length in enumerate(LENGTHS):
        assert not weights[row, :, length:].any()


def test_dot_is_the_softmax_of_products() -> None:
    query, memory = torch.randn(4, 3, 8), torch.randn(5, 3, 8)
    context, weights = nn.Attention(8, 8, "dot")(query, memory)
    expected = torch.einsum("fnh,tnh->nft", query, memory).softmax(-1)
    assert_close(weights, expected, "forward")
    assert_close(context, torch.einsum("nft,tnh->fnh", expected, memory), "forward")


def test_general_and_additive_are_what_their_papers_say() -> None:
    query, memory = torch.randn(4, 3, 8), torch.randn(5, 3, 6)
    general, additive = nn.Attention(8, 6, "general"), nn.Attention(8, 6, "additive")
    scores = torch.einsum("fnq,qm,tnm->nft", query, general.memory.weight, memory)
    assert_close(general(query, memory)[1], scores.softmax(-1), "forward")
    inner = additive.query(query).unsqueeze(0) + additive.memory(memory).unsqueeze(1)  # (T, F, N, Q)
    scores = additive.score(inner.tanh()).squeeze(-1).permute(2, 1, 0)  # (N, F, T)
    assert_close(additive(query, memory)[1], scores.softmax(-1), "forward")


@pytest.mark.parametrize("kind", [None, *KINDS])
def test_what_lies_behind_the_end_changes_nothing(kind: str | None) -> None:
    network = model(kind)
    x, inputs = torch.randn(5, 3, 3, dtype=torch.float64), torch.randn(4, 3, 2, dtype=torch.float64)
    other = x.clone()
    for row, length in enumerate(LENGTHS):
        other[length:, row] = 99.0
    y, other_y = (network(entry, inputs, lengths=LENGTHS)[0] for entry in (x, other))
    assert_close(other_y, y, "exact")
    alone = [network(x[:n, i : i + 1], inputs[:, i : i + 1])[0] for i, n in enumerate(LENGTHS)]
    assert_close(torch.cat(alone, 1), y, "forward")


@pytest.mark.parametrize("kind", [None, *KINDS])
@pytest.mark.parametrize("batch_first", [False, True])
def test_outputs_fed_back_are_the_outputs_of_known_inputs(kind: str | None, batch_first: bool) -> None:
    network = model(kind, batch_first=batch_first)
    x = torch.randn((3, 5, 3) if batch_first else (5, 3, 3), dtype=torch.float64)
    y, state = network(x, steps=4, lengths=LENGTHS)
    time = 1 if batch_first else 0
    inputs = torch.cat([torch.zeros_like(y.narrow(time, 0, 1)), y.narrow(time, 0, 3)], time)
    forced, forced_state = network(x, inputs, lengths=LENGTHS)
    assert_close(forced, y, "forward")
    assert_close(forced_state, state, "forward")


def test_both_directions_start_the_decoder() -> None:
    network = model("general")
    x = torch.randn(5, 3, 3, dtype=torch.float64)
    _, (h, _) = network.encoder(x)
    _, (joined, _) = network.encode(x)
    assert_close(joined[1], torch.cat([h[2], h[3]], -1), "exact")


def test_every_weight_has_a_gradient() -> None:
    for kind in KINDS:
        network = model(kind)
        x, inputs = torch.randn(5, 3, 3, dtype=torch.float64), torch.randn(4, 3, 2, dtype=torch.float64)
        network(x, inputs, lengths=LENGTHS)[0].square().sum().backward()
        assert all(p.grad is not None and p.grad.any() for p in network.parameters())


def test_a_row_of_no_steps_gives_numbers() -> None:
    context, weights = nn.Attention(8, 8)(torch.randn(4, 2, 8), torch.randn(5, 2, 8), lengths=[5, 0])
    assert not weights[1].any()
    assert not context[:, 1].any()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="attention: expected one of dot, general, additive, got 'self'"):
        nn.Attention(8, 8, "self")
    with pytest.raises(ValueError, match="'dot' expects equal numbers of features, got 8 and 6"):
        nn.Attention(8, 6, "dot")
    with pytest.raises(ValueError, match="decoder: expected hidden_size = 16"):
        nn.EncoderDecoder(nn.GRU(3, 8, bidirectional=True), nn.GRU(2, 8), 2)
    with pytest.raises(ValueError, match="decoder: expected the encoder's num_layers = 1, got 2"):
        nn.EncoderDecoder(nn.GRU(3, 8), nn.GRU(2, 8, num_layers=2), 2)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("kind", [None, "general"])
def test_own_outputs_take_the_place_of_inputs_that_are_not_forced(kind: str | None, batch_first: bool) -> None:
    network, time = model(kind, batch_first=batch_first), 1 if batch_first else 0
    rows = (3, 5) if batch_first else (5, 3)
    x, inputs = torch.randn(*rows, 3, dtype=torch.float64), torch.randn(*rows, 2, dtype=torch.float64)
    memory, state = network.encode(x, lengths=LENGTHS)
    all_true, y = (
        network(x, inputs, lengths=LENGTHS, teacher_forcing_ratio=1.0)[0],
        network(x, inputs, lengths=LENGTHS)[0],
    )
    assert_close(all_true, y, "exact")
    own = network.mix_teacher_forcing(inputs, memory, state, lengths=LENGTHS, ratio=0.0)
    first, later = own.tensor_split([1], time)
    assert_close(first, inputs.narrow(time, 0, 1), "exact")
    assert_close(later, y.narrow(time, 0, 4), "exact")
    assert not later.requires_grad
    kept = []
    for _ in range(200):
        half = network.mix_teacher_forcing(inputs, memory, state, lengths=LENGTHS, ratio=0.5)
        true = (half == inputs).all(-1)
        assert ((half == own).all(-1) | true).all()
        kept.append(true.narrow(time, 1, 4).double().mean().item())
    assert sum(kept) / len(kept) == pytest.approx(0.5, abs=0.05)


def test_embeddings_of_own_outputs_learn() -> None:
    embedding = torch.nn.Embedding(6, 2)
    encoder, decoder = nn.GRU(3, 8), nn.GRU(2, 8)
    network = nn.EncoderDecoder(encoder, decoder, 6, feedback=lambda y: embedding(y.argmax(-1)))
    inputs = embedding(torch.randint(6, (4, 3)))
    network(torch.randn(5, 3, 3), inputs, teacher_forcing_ratio=0.0)[0].square().sum().backward()
    assert embedding.weight.grad is not None
    assert embedding.weight.grad.any()
