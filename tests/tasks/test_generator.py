"""The generator: it learns, it writes what is valid, and it is the same from a file, from a seed, step by step."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from tests.tolerances import assert_close
from torch.nn import functional

import throughtime as tt
from throughtime import InputError, training
from throughtime.data.music.midi import read_midi, write_midi
from throughtime.data.music.piano_roll import as_roll
from throughtime.inference.generation.sampling import Sampling
from throughtime.runtime import StreamingNetwork
from throughtime.tasks.generation import plot_piano_roll
from throughtime.tasks.generation.batches import ParallelStreams, PieceBatches
from throughtime.tasks.generation.recipes import RECIPES

if TYPE_CHECKING:
    from pathlib import Path

RHYME = "one two three four five\nsix seven eight nine ten\n" * 40
SCALE = [[60], [62], [64], [65], [67], [65], [64], [62]]
TUNES = [[[note + shift for note in step] for step in SCALE * 3] for shift in range(-6, 6)]


@pytest.fixture(scope="module")
def writer() -> tt.SequenceGenerator:
    return tt.SequenceGenerator(hidden_size=48, epochs=12, batch_size=4, steps=32, learning_rate=0.01).fit(RHYME)


@pytest.fixture(scope="module")
def composer() -> tt.SequenceGenerator:
    options = {"hidden_size": 48, "epochs": 80, "batch_size": 2, "learning_rate": 0.01, "dropout": 0.1}
    return tt.SequenceGenerator(cell="gru", **options).fit(TUNES)


@pytest.mark.parametrize(("cell", "unit"), [("rnn", "characters"), ("gru", "bytes"), ("lstm", "words")])
def test_a_rhyme_is_learned_by_heart(cell: str, unit: str) -> None:
    options = {"hidden_size": 48, "batch_size": 2, "steps": 16, "epochs": 15, "learning_rate": 0.01, "dropout": 0.1}
    generator = tt.SequenceGenerator(unit, cell=cell, **options).fit(RHYME * (1 + 4 * (unit == "words")))
    steps = 8 if unit == "words" else len(RHYME[:49]) - len("one two three")
    assert generator.sample(steps, "one two three", temperature=0).strip() == RHYME[:48]


def test_scores_are_those_of_one_long_reading(writer: tt.SequenceGenerator) -> None:
    text = RHYME[: 4 * 49 + 30] * 4
    numbers = torch.from_numpy(writer.codec_.vocabulary.encode(text)).unsqueeze(1)
    with torch.no_grad():
        logits, _ = writer.network_(numbers[:-1])
    nats = functional.cross_entropy(logits.squeeze(1), numbers[1:, 0]).item()
    scores = writer.evaluate(text)
    assert scores.steps == len(text) - 1
    assert scores.nats == pytest.approx(nats, rel=1e-3)
    assert scores.perplexity == pytest.approx(math.exp(scores.nats))
    assert scores.bits_per_character == pytest.approx(scores.nats / math.log(2))
    assert writer.score(text) == -scores.nats


def test_scores_of_music_leave_out_the_first_step_of_a_piece(composer: tt.SequenceGenerator) -> None:
    nats = []
    for tune in (TUNES[0][:20], TUNES[5][:9]):
        y = torch.from_numpy(as_roll(tune)).float().unsqueeze(1)
        with torch.no_grad():
            logits, _ = composer.network_(torch.cat([torch.zeros(1, 1, 88), y[:-1]]))
        nats.append(functional.binary_cross_entropy_with_logits(logits, y, reduction="none").sum((1, 2))[1:])
    scores = composer.evaluate([TUNES[0][:20], TUNES[5][:9]])
    assert scores.steps == 19 + 8
    assert scores.nats == pytest.approx(torch.cat(nats).mean().item(), rel=1e-5)
    assert scores.perplexity is None


def test_one_note_becomes_a_tune_that_a_midi_file_holds(composer: tt.SequenceGenerator, tmp_path: Path) -> None:
    tune = composer.sample(32, prompt=[[60]], random_state=1)
    assert len(tune) == 33
    assert tune[0] == [60]
    assert all(note in range(21, 109) for step in tune for note in step)
    write_midi(tmp_path / "tune.mid", tune)
    assert read_midi(tmp_path / "tune.mid") == tune
    assert composer.sample(8, prompt=SCALE, temperature=0) == SCALE * 2


def test_a_tune_from_nothing_is_valid(composer: tt.SequenceGenerator) -> None:
    as_roll(composer.sample(20, random_state=0))


def test_a_seed_repeats_a_sample(writer: tt.SequenceGenerator, composer: tt.SequenceGenerator) -> None:
    for generator in (writer, composer):
        first, again, other = (generator.sample(60, temperature=2.0, random_state=seed) for seed in (0, 0, 1))
        assert first == again
        assert first != other


def test_a_stream_is_the_sample_piece_by_piece(writer: tt.SequenceGenerator, composer: tt.SequenceGenerator) -> None:
    text = "".join(itertools.islice(writer.stream("one", random_state=3), 30))
    assert "one" + text == writer.sample(30, "one", random_state=3)
    steps = list(itertools.islice(composer.stream([[60]], random_state=3), 30))
    assert [[60], *steps] == composer.sample(30, [[60]], random_state=3)


def test_a_step_reads_only_the_step_before_it(writer: tt.SequenceGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    for name in ("run", "step"):
        original = getattr(StreamingNetwork, name)
        monkeypatch.setattr(StreamingNetwork, name, lambda self, x, f=original: read.append(x.shape) or f(self, x))
    writer.sample(20, "one two")
    width = writer.network_.embedding.embedding_dim
    assert read == [(7, width)] + [(width,)] * 19


@pytest.mark.parametrize("kind", ["writer", "composer"])
def test_what_is_drawn_follows_from_the_whole_network(kind: str, request: pytest.FixtureRequest) -> None:
    generator: tt.SequenceGenerator = request.getfixturevalue(kind)
    prompt = {"writer": "one two", "composer": [[60], [62]]}[kind]
    model = generator.sample(20, prompt, temperature=0)
    x = torch.from_numpy(generator.codec_.prompt(model))
    with torch.no_grad():
        logits, _ = generator.network_(x.unsqueeze(1))
    expected = (logits[:-1, 0] > 0).float() if kind == "composer" else logits[:-1, 0].argmax(-1)
    assert torch.equal(x[1:][-20:], expected[-20:])


def test_a_cold_temperature_takes_the_likeliest() -> None:
    logits, random = np.array([0.0, 3.0, 1.0]), np.random.default_rng(0)
    assert {Sampling(0).sample_symbol(logits, random) for _ in range(20)} == {1}
    assert {Sampling(top_k=1).sample_symbol(logits, random) for _ in range(20)} == {1}
    assert {Sampling(top_p=0.01).sample_symbol(logits, random) for _ in range(20)} == {1}
    assert {Sampling(5.0, top_k=2).sample_symbol(logits, random) for _ in range(200)} == {1, 2}
    assert {Sampling(5.0, top_p=0.7).sample_symbol(logits, random) for _ in range(200)} == {1, 2}
    assert {Sampling(5.0).sample_symbol(logits, random) for _ in range(200)} == {0, 1, 2}


def test_symbols_are_drawn_as_often_as_they_are_likely() -> None:
    logits, random = np.array([0.5, -0.5, 0.2, 0.0]), np.random.default_rng(0)
    for sampling in (Sampling(0.7), Sampling(0.7, top_k=4)):
        samples = np.bincount([sampling.sample_symbol(logits, random) for _ in range(4000)], minlength=4) / 4000
        assert samples == pytest.approx(softmax(logits / 0.7), abs=0.03)


def test_keys_are_drawn_as_often_as_they_are_likely() -> None:
    logits, random = np.array([2.0, -2.0, 0.3, -9.0]), np.random.default_rng(0)

    def share(sampling: Sampling) -> list[float]:
        return np.mean([sampling.sample_keys(logits, random) for _ in range(2000)], axis=0).tolist()

    assert share(Sampling()) == pytest.approx(expit(logits).tolist(), abs=0.04)
    assert share(Sampling(0)) == [1, 0, 1, 0]
    assert share(Sampling(top_p=0.8))[0] == 1
    assert 0 < share(Sampling(top_p=0.8))[2] < 1
    assert share(Sampling(0, top_k=1)) == [1, 0, 0, 0]


@pytest.mark.parametrize("kind", ["writer", "composer"])
def test_a_loaded_generator_is_the_same(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    generator: tt.SequenceGenerator = request.getfixturevalue(kind)
    generator.save(tmp_path / "model")
    loaded = tt.load(tmp_path / "model")
    assert loaded.sample(50, random_state=0) == generator.sample(50, random_state=0)
    assert loaded.get_params() == generator.get_params()
    assert loaded.history_ == generator.history_
    assert loaded.notes_ == generator.notes_ != []
    with pytest.raises(InputError, match="exists already"):
        generator.save(tmp_path / "model")


def test_the_same_seed_learns_the_same_weights() -> None:
    model = [tt.SequenceGenerator(hidden_size=8, epochs=2, random_state=seed).fit(RHYME) for seed in (0, 0, 1)]
    first, again, other = (generator.network_.state_dict() for generator in model)
    assert_close(again, first, "exact")
    assert not torch.equal(first["layers.output.weight"], other["layers.output.weight"])


def test_the_epoch_that_validated_best_is_kept() -> None:
    # Nothing can be learned from noise: every epoch that memorizes it validates worse.
    rng = np.random.default_rng(0)
    noise, unseen = ("".join(rng.choice(list("abcdefgh"), 400)) for _ in range(2))
    generator = tt.SequenceGenerator(hidden_size=64, epochs=30, steps=20, batch_size=2, dropout=0.0)
    generator.fit(noise, unseen)
    assert generator.history_.best.epoch < 30
    assert -generator.score(unseen) < generator.history_.records[-1].score


def test_a_new_key_at_every_pass_and_every_step_once() -> None:
    pieces = PieceBatches([as_roll(tune) for tune in TUNES], 5, transposition=4, shuffle=True)
    passes = [torch.cat([batch.y.sum((0, 1)) for batch in pieces]).sum().item() for _ in range(2)]
    assert passes == [12 * 24] * 2
    for x, y, lengths, _ in pieces:
        assert (x[1:] == y[:-1]).all()
        assert not x[0].any()
        assert lengths.tolist() == [24] * len(lengths)


def test_less_material_is_read_more_often_and_in_more_keys() -> None:
    recipe = RECIPES["piano_roll"]
    assert recipe.epochs_for(recipe.reference_steps) == recipe.epochs
    assert (
        recipe.epochs_for(10 * recipe.reference_steps) < recipe.epochs < recipe.epochs_for(recipe.reference_steps // 10)
    )
    assert recipe.transposition_for(recipe.reference_steps) == recipe.transposition > 0
    assert recipe.transposition_for(10 * recipe.reference_steps) == 0


def test_streams_hold_a_text_side_by_side() -> None:
    ((x, y, _, _),) = ParallelStreams(np.arange(103), 4, 200)
    assert x.shape == (102, 1)
    ((x, y, _, _),) = ParallelStreams(np.arange(103), 4, 10)
    assert x.shape[1] == 4
    assert (y == x + 1).all()


def test_ctrl_c_leaves_a_generator_that_works() -> None:
    def interrupt(now: training.Progress) -> None:
        if now.epoch > 1:
            raise KeyboardInterrupt

    generator = tt.SequenceGenerator(hidden_size=8, epochs=50)
    with pytest.raises(training.Interrupted):
        generator.fit(RHYME, callbacks=[interrupt])
    assert len(generator.sample(10)) == 10


def test_a_budget_ends_the_training() -> None:
    generator = tt.SequenceGenerator(hidden_size=8, epochs=100_000, budget=0.5).fit(RHYME)
    assert generator.history_.records[-1].seconds < 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unit": "notes"}, "unit: expected one of piano_roll, characters, bytes, words, got 'notes'"),
        ({"cell": "transformer"}, "cell: expected one of rnn, gru, lstm"),
        ({"hidden_size": 0}, "hidden_size: expected a whole number of 1 or more, got 0"),
        ({"num_layers": None}, "num_layers"),
        ({"epochs": 1.5}, "epochs"),
        ({"dropout": 1}, "dropout: expected a number of 0 or more"),
        ({"learning_rate": -1}, "learning_rate: expected a number above 0"),
        ({"budget": "soon"}, "budget: expected a time"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tt.SequenceGenerator(**settings).fit(RHYME)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "text: it is empty"),
        ("aaaaaaaa", "two different characters"),
        ([], "expected a list of pieces"),
        ([[[60], [200]]], "piece 1, step 2: expected notes of a piano, 21 to 108, got 200"),
        ([np.zeros((4, 80))], "rows of 88 keys"),
    ],
)
def test_data_that_cannot_be_learned_are_refused(data: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tt.SequenceGenerator().fit(data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": -1}, "length: expected a whole number"),
        ({"temperature": -1}, "temperature"),
        ({"top_k": 0}, "top_k"),
        ({"top_p": 1.5}, "top_p"),
        ({"prompt": "ÄÖÜ"}, "'Ä', character 1, did not occur"),
    ],
)
def test_samples_that_cannot_be_drawn_are_refused(
    writer: tt.SequenceGenerator, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        writer.sample(**options)


def test_a_prompt_that_no_piano_plays_is_refused(composer: tt.SequenceGenerator) -> None:
    with pytest.raises(InputError, match="prompt, step 1"):
        composer.sample(prompt=[[5]])
    with pytest.raises(InputError, match="two steps or more"):
        composer.evaluate([[[60]]])


def test_it_keeps_to_the_contract_of_estimators() -> None:
    generator = tt.SequenceGenerator(hidden_size=8, epochs=1)
    copy = clone(generator.fit(RHYME))
    assert copy.get_params() == generator.get_params()
    for call in (copy.sample, lambda: copy.score(RHYME), lambda: copy.save("x"), copy.plot):
        with pytest.raises(NotFittedError):
            call()


def test_pictures_are_drawn(composer: tt.SequenceGenerator) -> None:
    tune = composer.sample(20, prompt=[[60]], random_state=0)
    figure = plot_piano_roll(tune, prompt_steps=1)
    assert len(figure.axes[0].patches) == sum(map(len, tune))
    assert len(composer.plot().axes[0].lines) == 3
    plt.close("all")


@pytest.mark.slow
def test_chorales_are_foreseen_better_than_by_counting(data_dir: Path) -> None:
    from throughtime.data.music.piano_roll import read_pieces

    parts = read_pieces(data_dir / "music" / "jsb_chorales_pianoroll.json.gz")
    generator = tt.SequenceGenerator(epochs=20).fit(parts["train"], parts["valid"])
    # Each key's next state given only its present one: 10.49 nats.
    assert generator.evaluate(parts["test"]).nats < 9.6
