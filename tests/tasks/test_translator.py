"""The translator: it learns lengths that differ, is the same from a file, and shows where it looked."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import throughtime as tt
from throughtime import InputError, training
from throughtime.data.text.special_symbols import BEGIN, END, PAD
from throughtime.data.text.subwords import SubwordSettings, SubwordVocabulary
from throughtime.inference.translation.beam import beam_search
from throughtime.tasks.translation import TeacherForcing
from throughtime.tasks.translation.network import NetworkSteps, TranslatorNetwork
from throughtime.tasks.translation.trainer import PairBatches, collate_pairs

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def reversals(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Digits, and their names in reverse, each after an 'and': six symbols for three."""
    rng = random.Random(seed)
    digits = [[rng.randrange(10) for _ in range(rng.randrange(2, 6))] for _ in range(count)]
    sources = [" ".join(map(str, row)) for row in digits]
    return sources, ["and " + " and ".join(NAMES[d] for d in reversed(row)) for row in digits]


@pytest.fixture(scope="module")
def translator() -> tt.SequenceTranslator:
    options = {"cell": "gru", "hidden_size": 48, "batch_size": 64, "dropout": 0.0, "label_smoothing": 0.0}
    return tt.SequenceTranslator(**options, epochs=16, vocabulary=SubwordSettings(80)).fit(*reversals(2000, 0))


def test_digits_are_named_from_behind(translator: tt.SequenceTranslator) -> None:
    sources, targets = reversals(100, 1)
    for beams in (1, 4):
        predicted = translator.predict(sources, beams=beams)
        assert np.mean([a == b for a, b in zip(predicted, targets, strict=True)]) >= 0.98
    assert translator.score(sources, targets) > 98


def test_attention_looks_from_behind(translator: tt.SequenceTranslator) -> None:
    source, target, weights = translator.align("1 2 3 4")
    assert source == ["1", "2", "3", "4"]
    assert target == ["and", "four", "and", "three", "and", "two", "and", "one", "</s>"]
    assert weights.shape == (9, 4)
    assert weights.sum(1) == pytest.approx(np.ones(9), abs=1e-5)
    assert translator.align("1 2 3 4", "and four").target == ["and", "four", "</s>"]
    figure = translator.plot_alignment("1 2 3")
    assert len(figure.axes[0].get_yticklabels()) == 7
    plt.close("all")


def test_a_batch_changes_no_translation(translator: tt.SequenceTranslator) -> None:
    sources, _ = reversals(20, 2)
    together = translator.predict(sources)
    assert together == [translator.predict([source])[0] for source in sources]
    assert translator.predict([sources[0], "", sources[1]]) == [together[0], "", together[1]]


def test_a_wide_beam_finds_what_is_likelier() -> None:
    """The beam's log-likelihood, counted again symbol by symbol, is never below that of the greedy search."""
    noisy = tt.SequenceTranslator(hidden_size=16, epochs=3, random_state=1, vocabulary=SubwordSettings(80))
    noisy.fit(*reversals(300, 3))
    numbers = torch.tensor(noisy.source_.encode(["1 2 3", "4 5 6"])).T
    steps = NetworkSteps(noisy.network_)
    greedy, beam = (beam_search(steps, numbers.numpy(), beams=b, length_penalty=0.0) for b in (1, 8))
    for row in range(2):
        assert likelihood(noisy, numbers[:, row], beam[row]) >= likelihood(noisy, numbers[:, row], greedy[row]) - 1e-4


def likelihood(translator: tt.SequenceTranslator, source: torch.Tensor, target: list[int]) -> float:
    batch = collate_pairs([source.tolist()], [target])
    with torch.no_grad():
        return float(translator.network_(batch.x).log_softmax(-1).gather(1, batch.y.unsqueeze(1)).sum())


def test_padding_changes_no_output(translator: tt.SequenceTranslator) -> None:
    sources, targets = (
        side.encode(rows) for side, rows in zip((translator.source_, translator.target_), reversals(8, 4), strict=True)
    )
    x, _, *_ = collate_pairs(sources, targets)
    with torch.no_grad():
        together = translator.network_(x)
        alone = [translator.network_(collate_pairs([s], [t]).x) for s, t in zip(sources, targets, strict=True)]
    by_step = [rows[t] for t in range(max(map(len, alone))) for rows in alone if t < len(rows)]
    torch.testing.assert_close(together, torch.stack(by_step), rtol=1e-4, atol=1e-5)


def test_a_loaded_translator_is_the_same(translator: tt.SequenceTranslator, tmp_path: Path) -> None:
    translator.save(tmp_path / "model")
    loaded = tt.load(tmp_path / "model")
    sources, _ = reversals(10, 5)
    assert loaded.predict(sources) == translator.predict(sources)
    assert loaded.get_params() == translator.get_params()
    assert loaded.notes_ == translator.notes_ != []


@pytest.mark.parametrize("attention", [None, "dot", "additive"])
@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_every_kind_learns_something(cell: str, attention: str | None) -> None:
    options = {"hidden_size": 32, "epochs": 2, "batch_size": 32, "vocabulary": SubwordSettings(80, kind="unigram")}
    model = tt.SequenceTranslator(cell=cell, attention=attention, num_layers=2, **options).fit(*reversals(400, 6))
    first, last = model.history_.records[0], model.history_.records[-1]
    assert last.score < first.score
    assert len(model.predict(["1 2"])) == 1
    if attention is None:
        with pytest.raises(InputError, match="this one has none to show"):
            model.align("1 2")


def test_teacher_forcing_fades(monkeypatch: pytest.MonkeyPatch) -> None:
    ratios, forward = [], TranslatorNetwork.forward

    def recorded(network: TranslatorNetwork, x: torch.Tensor) -> torch.Tensor:
        if network.training:
            ratios.append(network.teacher_forcing_ratio)
        return forward(network, x)

    monkeypatch.setattr(TranslatorNetwork, "forward", recorded)
    options = {"hidden_size": 8, "epochs": 2, "teacher_forcing": TeacherForcing(1.0, 0.5), "batch_size": 50}
    translator = tt.SequenceTranslator(**options, vocabulary=SubwordSettings(80)).fit(*reversals(400, 7))
    np.testing.assert_allclose(ratios, np.linspace(1.0, 0.5, len(ratios), endpoint=False))
    assert translator.network_.teacher_forcing_ratio == pytest.approx(0.5)
    assert TeacherForcing(0.9, 0.5).ratio(0.5) == pytest.approx(0.7)


def test_pairs_are_padded_and_targets_come_in_the_order_of_the_outputs() -> None:
    x, y, *_ = collate_pairs([[7, 8], [9]], [[4], [5, 6]])
    assert x[0].T.tolist() == [[7, 8, PAD], [9, PAD, PAD]]
    assert x[1].T.tolist() == [[BEGIN, 4, PAD], [BEGIN, 5, 6]]
    assert y.tolist() == [4, 5, END, 6, END]
    pairs = PairBatches([[4]] * 10, [[5]] * 10, 4, shuffle=True)
    assert [batch.x.shape[2] for batch in pairs].count(4) == 2
    assert len(pairs) == 3


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_sentences_come_back_from_subwords(kind: str) -> None:
    sentences = ["A man, with a dog (brown).", "Zwei Männer: «Grüße!» und so weiter", "Un chien l'attend."] * 3
    observed = SubwordVocabulary.learn(sentences, SubwordSettings(90, kind=kind))
    assert observed.decode(observed.encode(sentences[:3])) == sentences[:3]
    small = SubwordVocabulary.learn(sentences, SubwordSettings(90, kind=kind, lowercase=True))
    assert small.decode(small.encode(sentences[:1])) == [sentences[0].lower()]


def test_ctrl_c_leaves_a_translator_that_works() -> None:
    def interrupt(now: training.Progress) -> None:
        if now.epoch > 1:
            raise KeyboardInterrupt

    model = tt.SequenceTranslator(hidden_size=8, epochs=50, vocabulary=SubwordSettings(80))
    with pytest.raises(training.Interrupted):
        model.fit(*reversals(200, 8), callbacks=[interrupt])
    assert len(model.predict(["1 2"])) == 1


@pytest.mark.parametrize(
    ("sources", "targets", "message"),
    [
        ([], [], "expected some sentences, got none"),
        ("one", ["eins"], "sources: expected a list of sentences, got str"),
        (["one"], ["eins", "zwei"], "a translation for each of 1 sources, got 2"),
        (["one", " "], ["eins", "zwei"], "sources, sentence 2: it is empty"),
        (["one", "two"], ["eins", ""], "targets, sentence 2: it is empty"),
        (["one", 2], ["eins", "zwei"], "sources, sentence 2: expected text, got int"),
    ],
)
def test_pairs_that_cannot_be_learned_are_refused(sources: object, targets: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tt.SequenceTranslator(hidden_size=8).fit(sources, targets)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cell": "x"}, "cell: expected one of rnn, gru, lstm"),
        ({"attention": "self"}, "attention: expected one of dot, general, additive, got 'self'"),
        ({"hidden_size": 7}, "hidden_size: expected an even number"),
        ({"epochs": 0}, "epochs: expected a whole number"),
        ({"dropout": 1.0}, "dropout: expected a number of 0 or more"),
        ({"teacher_forcing": TeacherForcing(2.0)}, "teacher_forcing: expected ratios"),
        ({"budget": "soon"}, "budget: expected a time"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tt.SequenceTranslator(**settings).fit(["a b", "b a"], ["c d", "d c"])


def test_settings_of_a_vocabulary_are_checked() -> None:
    with pytest.raises(InputError, match="kind of subwords: expected one of bpe, unigram"):
        SubwordSettings(kind="words")
    with pytest.raises(InputError, match="size of the vocabulary: expected more than 4"):
        SubwordSettings(4)


def test_it_keeps_to_the_contract_of_estimators(translator: tt.SequenceTranslator) -> None:
    copy = clone(translator)
    assert copy.get_params() == translator.get_params()
    for call in (lambda: copy.predict(["1"]), lambda: copy.save("x"), lambda: copy.align("1")):
        with pytest.raises(NotFittedError):
            call()
