"""Estimators without torch: what `runtime.load` makes of their directories gives the same numbers and labels."""

from __future__ import annotations

import copy
import json
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays
from tests.tolerances import assert_close

import throughtime as tt
from throughtime import InputError, nn, runtime
from throughtime.data.text.vocabulary import TokenVocabulary
from throughtime.io import directory
from throughtime.nn.attention import ATTENTIONS
from throughtime.nn.pooling import POOLINGS
from throughtime.tasks.translation import SubwordSettings

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = ["one two three", "four five", "don't six", "été two"] * 6
LABELS = ["a", "b", "a", "c"] * 6
SENTENCES = [text.split() for text in TEXTS]
TAGS = [["first", *["other"] * (len(words) - 1)] for words in SENTENCES]
CHANCE = np.random.default_rng(0)
LONG = [CHANCE.normal(size=(70 - i, 2)) for i in range(24)]
LONG[0][3:5, 1] = np.nan
MATRIX = CHANCE.normal(size=(24, 5))


def classifier(X: Any = TEXTS, **settings: Any) -> tt.SequenceClassifier:
    return tt.SequenceClassifier(**{"hidden_size": 4, "preset": "fast", "budget": 0.1, **settings}).fit(X, LABELS)


def tagger(**settings: Any) -> tt.SequenceTagger:
    return tt.SequenceTagger(hidden_size=4, preset="fast", budget=0.1, **settings).fit(SENTENCES, TAGS)


def generator(data: Any, **settings: Any) -> tt.SequenceGenerator:
    return tt.SequenceGenerator(hidden_size=6, epochs=1, **settings).fit(data)


def translator(**settings: Any) -> tt.SequenceTranslator:
    options = {"hidden_size": 8, "epochs": 2, "vocabulary": SubwordSettings(60), **settings}
    return tt.SequenceTranslator(**options).fit(TEXTS, [" ".join(reversed(words)) for words in SENTENCES])


def reloaded(estimator: Any, path: Path) -> Any:
    estimator.save(path / "model")
    return runtime.load(path / "model")


def float32(arrays: Any) -> Any:
    """Probabilities in the precision of the network."""
    return [np.asarray(array, np.float32) for array in arrays]


@pytest.mark.parametrize(
    ("X", "settings"),
    [
        *((TEXTS, {"cell": cell}) for cell in nn.LAYERS),
        *(
            pytest.param(TEXTS, {"pooling": kind, "bidirectional": kind != "mean"}, marks=pytest.mark.slow)
            for kind in POOLINGS
            if kind != "attention"
        ),
        (MATRIX, {"preset": "balanced", "num_layers": 2}),  # an ensemble, since there are few
        (LONG, {}),  # several steps in one
    ],
    ids=[*nn.LAYERS, *(kind for kind in POOLINGS if kind != "attention"), "ensemble", "blocks"],
)
def test_a_classifier_gives_the_same_probabilities(X: Any, settings: dict[str, Any], tmp_path: Path) -> None:
    fitted = classifier(X, **settings)
    assert fitted.network_.sizes.members == (5 if "preset" in settings else 1)
    model = reloaded(fitted, tmp_path)
    assert_close(float32(model.predict_proba(X)), float32(fitted.predict_proba(X)), "forward")
    assert_close(float32(model.steps_proba(X[:3])), float32(fitted.steps_proba(X[:3])), "forward")
    assert model.predict(X).tolist() == fitted.predict(X).tolist()
    assert model.classes_.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize(
    "settings",
    [{}, pytest.param({"cell": "gru", "bidirectional": False, "num_layers": 2}, marks=pytest.mark.slow)],
    ids=["both ways", "one way"],
)
def test_a_tagger_gives_the_same_probabilities(settings: dict[str, Any], tmp_path: Path) -> None:
    fitted = tagger(**settings)
    model, sentences = reloaded(fitted, tmp_path), [*SENTENCES, ["unseen", "two", "supercalifragilistic"]]
    assert_close(float32(model.predict_proba(sentences)), float32(fitted.predict_proba(sentences)), "forward")
    assert model.predict(sentences) == fitted.predict(sentences)


@pytest.mark.parametrize(
    ("data", "settings", "prompt"),
    [
        ("to be or not to be\n" * 20, {}, "to b"),
        ("to be or not to be\n" * 20, {"unit": "words", "num_layers": 2}, "to be"),
        ("âme à l'âme\n" * 20, {"unit": "bytes", "cell": "gru"}, "â"),
        ([[[60], [62, 65], []] * 9] * 2, {"cell": "rnn"}, [[60], [64]]),
    ],
    ids=["characters", "words", "bytes", "music"],
)
def test_a_generator_draws_the_same_for_the_same_seed(
    data: Any, settings: dict[str, Any], prompt: Any, tmp_path: Path
) -> None:
    fitted = generator(data, **settings)
    model = reloaded(fitted, tmp_path)
    for options in ({}, {"temperature": 0.5, "top_k": 2}, {"top_p": 0.6}, {"temperature": 0}):
        for start in (prompt, None):
            sample = model.sample(25, start, random_state=7, **options)
            assert sample == fitted.sample(25, start, random_state=7, **options)
    stream, expected = model.stream(prompt, random_state=1), fitted.stream(prompt, random_state=1)
    assert [next(stream) for _ in range(9)] == [next(expected) for _ in range(9)]


@pytest.mark.parametrize(
    ("attention", "cell"),
    [
        ("general", "lstm"),
        (None, "gru"),
        *(
            pytest.param(kind, cell, marks=pytest.mark.slow)
            for kind in ATTENTIONS
            for cell in nn.LAYERS
            if (kind, cell) != ("general", "lstm")
        ),
    ],
)
def test_a_translator_writes_the_same(attention: str | None, cell: str, tmp_path: Path) -> None:
    fitted = translator(attention=attention, cell=cell, num_layers=1 + (cell == "gru"))
    fitted.network_.layers.decoder.output.bias.data.normal_()  # so that more than the end is likely
    model, sources = reloaded(fitted, tmp_path), [*TEXTS[:4], "", "three unseen"]
    for options in ({"beams": 1}, {}, {"beams": 3, "length_penalty": 0.5}):
        assert model.predict(sources, **options) == fitted.predict(sources, **options)
    numbers = model.translate(fitted.source_.encode(sources))
    assert any(numbers)
    assert fitted.target_.decode(numbers) == fitted.predict(sources)


# -- in a process that knows nothing but numpy and safetensors

ALONE = """
import json, sys
for name in ("torch", "sklearn", "scipy", "pandas", "polars", "narwhals", "tokenizers", "jaxtyping"):
    sys.modules[name] = None
from throughtime import runtime
texts, sentences = json.loads(sys.argv[2])
model = {name: runtime.load(f"{sys.argv[1]}/{name}") for name in ("classifier", "tagger", "generator", "translator")}
print(json.dumps([
    model["classifier"].predict_proba(texts).tolist(),
    [proba.tolist() for proba in model["tagger"].predict_proba(sentences)],
    model["generator"].sample(30, "to", random_state=3),
    model["translator"].predict(texts),
]))
"""


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    return {
        "classifier": classifier(tokens="subword"),
        "tagger": tagger(),
        "generator": generator("to be or not to be\n" * 20),
        "translator": translator(),
    }


@pytest.fixture(scope="module")
def saved(fitted: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    above = tmp_path_factory.mktemp("models")
    for name, estimator in fitted.items():
        estimator.save(above / name)
    return above


def test_numpy_and_safetensors_are_enough(fitted: dict[str, Any], saved: Path) -> None:
    program = [sys.executable, "-W", "error", "-c", ALONE, str(saved), json.dumps([TEXTS, SENTENCES])]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    classes, tags, text, translations = json.loads(done.stdout)
    assert_close(float32([classes]), float32([fitted["classifier"].predict_proba(TEXTS)]), "forward")
    assert_close(float32(tags), float32(fitted["tagger"].predict_proba(SENTENCES)), "forward")
    assert text == fitted["generator"].sample(30, "to", random_state=3)
    assert translations == fitted["translator"].predict(TEXTS)


# -- what cannot be used

NAMES = ("classifier", "tagger", "generator", "translator")
VALUES: list[Any] = [None, True, -1, 0, 1, 10**9, 10**30, 0.5, float("nan"), "", "x", [], [[]], {}, ["a", "a"]]


def rewritten(source: Path, target: Path, config: dict[str, Any]) -> Path:
    contents = directory.read(source)
    fields = {name: value for name, value in config.items() if name not in ("files", "schema")}
    directory.write(target, directory.ModelFiles(fields, contents.weights, contents.history), overwrite=True)
    return target


def with_a_change(config: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Return a configuration with another value somewhere."""
    changed = copy.deepcopy(config)
    inner: Any = changed
    while True:
        key = chance.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
        if isinstance(inner[key], dict | list) and inner[key] and chance.random() < 0.9:
            inner = inner[key]
            continue
        inner[key] = chance.choice(VALUES)
        return changed


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_directory_is_one_error_or_a_model_at_once(
    name: str, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)
    chance, config, refused, unnamed = random.Random(name), directory.read_config(saved / name), 0, []
    for _ in range(60):
        target = rewritten(saved / name, tmp_path / "model", with_a_change(config, chance))
        started = time.process_time()
        try:
            runtime.load(target)
        except InputError as error:
            refused += 1
            unnamed += [] if str(target) in str(error) else [error]
        assert time.process_time() - started < 2
    assert refused > 5
    assert not unnamed


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("classifier", lambda c: c["encoder"]["tokens"].append("one too many")),
        ("classifier", lambda c: c["classes"].append("one too many")),
        ("tagger", lambda c: c["encoder"]["words"].append("one too many")),
        ("tagger", lambda c: c["tags"].pop()),
        ("generator", lambda c: c["symbols"].append("one too many")),
        ("generator", lambda c: c.update(unit="piano_roll")),
        ("translator", lambda c: c.update(source=c["source"].replace("</s>", "<end>"))),
        ("translator", lambda c: c.update(target=c["source"][:40])),
    ],
    ids=["tokens", "classes", "words", "tags", "symbols", "unit", "source", "target"],
)
def test_what_does_not_fit_the_network_is_refused(name: str, change: Any, saved: Path, tmp_path: Path) -> None:
    config = directory.read_config(saved / name)
    change(config)
    with pytest.raises(InputError, match=r"model: (does not describe a usable network|the model's operator)"):
        runtime.load(rewritten(saved / name, tmp_path / "model", config))


@pytest.mark.parametrize("name", NAMES)
def test_weights_that_are_not_finite_are_refused(name: str, saved: Path, tmp_path: Path) -> None:
    contents, target = directory.read(saved / name), tmp_path / "model"
    weights = load_arrays(contents.weights)
    weight = next(array for key, array in weights.items() if key.startswith("network."))
    weight.flat[0] = np.nan
    directory.write(target, directory.ModelFiles(contents.config, save_arrays(weights), contents.history))
    with pytest.raises(InputError, match=r"model: .* some weights are not finite"):
        runtime.load(target)


@pytest.mark.parametrize("name", NAMES)
def test_a_directory_of_a_former_version_says_what_to_do(name: str, saved: Path, tmp_path: Path) -> None:
    config = directory.read_config(saved / name)
    del config["layers" if name == "generator" else "graphs"]
    with pytest.raises(InputError, match=r"model: written by a former version .* save it again"):
        runtime.load(rewritten(saved / name, tmp_path / "model", config))


def test_sequences_that_a_classifier_cannot_read_are_refused_as_by_the_estimator(tmp_path: Path) -> None:
    model = reloaded(classifier(MATRIX), tmp_path)
    for X, reason in (
        (TEXTS, "expected sequences of numbers as in training, got texts"),
        (MATRIX[:, :4], "expected 5 steps in each sequence as in training, got 4"),
        ([[["x"]]], "expected numbers, got .*'x'.* in sequence 1"),
        (np.full((1, 5), np.inf), "expected finite numbers, got infinity in sequence 1, step 1"),
    ):
        with pytest.raises(InputError, match=reason):
            model.predict(X)
    assert_close(model.predict_proba(MATRIX.tolist()), model.predict_proba(MATRIX), "exact")


@pytest.mark.parametrize("kind", ["word", "subword", "char"])
def test_texts_are_split_as_by_the_library(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chance, characters = random.Random(0), "aabcdé ΣσßİⒶ²०ि你😀'’.,!-_ \t\n▁□\N{COMBINING ACUTE ACCENT}\x1c\xa0$^"
    texts = ["".join(chance.choices(characters, k=chance.randrange(1, 30))) for _ in range(600)]
    vocabulary = TokenVocabulary.learn(texts[:200], kind)
    texts += ["zqж", "azzb", "z'жz a"]  # whose characters are unknown
    expected = vocabulary.encode(texts)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    assert_close(vars(TokenVocabulary.from_json(vocabulary.to_json()).encode(texts)), vars(expected), "exact")


@pytest.mark.parametrize("numbers", [[0], [60], [True], ["a"]])
def test_numbers_that_are_no_subwords_are_refused(numbers: list[Any], saved: Path) -> None:
    with pytest.raises(InputError, match="sources, sentence 2: expected numbers of subwords, 1 to"):
        runtime.load(saved / "translator").translate([[4], numbers])


@pytest.mark.slow
def test_subwords_that_only_the_library_splits_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = translator(vocabulary=SubwordSettings(60, "unigram"))
    fitted.save(tmp_path / "model")
    numbers, expected = fitted.source_.encode(TEXTS[:2]), fitted.predict(TEXTS[:2])
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    model = runtime.load(tmp_path / "model")
    with pytest.raises(InputError, match=r"pip install tokenizers .*'Unigram'"):
        model.predict(TEXTS[:2])
    assert fitted.target_.decode(model.translate(numbers)) == expected
