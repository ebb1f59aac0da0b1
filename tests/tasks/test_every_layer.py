"""Every registered layer is an option of every estimator."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import throughtime as tt
from throughtime import nn
from throughtime.data.text.subwords import SubwordSettings

pytestmark = pytest.mark.parametrize("cell", list(nn.LAYERS))
TEXTS = ["one two three", "four five", "one six"] * 8
LABELS = ["a", "b", "a"] * 8


def settings(cell: str, **others: Any) -> dict[str, Any]:
    return {"cell": cell, "hidden_size": 8, **others}


def test_a_classifier_takes_it(cell: str, tmp_path: Any) -> None:
    classifier = tt.SequenceClassifier(**settings(cell, preset="fast", budget=0.2)).fit(TEXTS, LABELS)
    classifier.save(tmp_path / "model")
    assert list(tt.load(tmp_path / "model").predict(TEXTS[:2])) == list(classifier.predict(TEXTS[:2]))


def test_a_tagger_takes_it(cell: str) -> None:
    words = [text.split() for text in TEXTS]
    tagger = tt.SequenceTagger(**settings(cell, preset="fast", budget=0.2))
    tags = [["first", *["other"] * (len(line) - 1)] for line in words]
    assert [len(line) for line in tagger.fit(words, tags).predict([["one", "two"]])] == [2]


def test_a_generator_takes_it(cell: str) -> None:
    generator = tt.SequenceGenerator(**settings(cell, budget=0.2)).fit("abcabcabc\n" * 20)
    assert len(generator.sample(5)) > 0


def test_a_translator_takes_it(cell: str) -> None:
    translator = tt.SequenceTranslator(**settings(cell, epochs=1, vocabulary=SubwordSettings(80))).fit(
        TEXTS * 2, TEXTS[::-1] * 2
    )
    assert len(translator.predict(["one"])) == 1


@pytest.mark.parametrize("decoder", ["direct", "autoregressive"])
def test_a_forecaster_takes_it(cell: str, decoder: str) -> None:
    days = pd.date_range("2024-01-01", periods=60)
    frame = pd.DataFrame({"unique_id": "s", "ds": days, "y": [float(i % 7) for i in range(60)]})
    forecaster = tt.Forecaster(3, **settings(cell, preset="fast", budget=0.2, decoder=decoder))
    assert len(forecaster.fit(frame).predict()) == 3


def test_another_name_is_refused_with_the_names_that_there_are(cell: str) -> None:
    with pytest.raises(tt.InputError, match=rf"cell: expected one of .*\b{cell}\b.*, got 'transformer'"):
        tt.SequenceClassifier(cell="transformer").fit(TEXTS, LABELS)
