"""What users bring to classifiers, taggers, generators and translators that their authors did not think of."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from tests.app.process import run_in_process, write

import throughtime as tt
from throughtime import InputError
from throughtime.data.music.piano_roll import as_rolls
from throughtime.data.text.subwords import SubwordSettings, SubwordVocabulary
from throughtime.inference.tagging.inputs import check_sentences, check_tags
from throughtime.io.directory import CONFIG
from throughtime.tasks.classification.labels import encode_classes

if TYPE_CHECKING:
    from pathlib import Path

TEXTS, MOODS = ["good film", "bad film"] * 10, ["+", "-"] * 10
ENGLISH = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
GERMAN = ["eins", "zwei", "drei", "vier", "fuenf", "sechs", "sieben", "acht", "neun", "zehn"]


def pairs(count: int, longest: int = 6) -> list[list[str]]:
    chance = random.Random(0)
    rows = [[chance.randrange(10) for _ in range(chance.randint(1, longest))] for _ in range(count)]
    return [[" ".join(words[i] for i in row) for row in rows] for words in (ENGLISH, GERMAN)]


@pytest.fixture(scope="module")
def translator() -> tt.SequenceTranslator:
    return tt.SequenceTranslator(vocabulary=SubwordSettings(60), hidden_size=32, epochs=20).fit(*pairs(300))


@pytest.mark.parametrize("beams", [1, 2, 5])
@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_a_translation_does_not_depend_on_its_neighbours(
    translator: tt.SequenceTranslator, beams: int, length_penalty: float
) -> None:
    sources = pairs(40, 9)[0]
    options: dict[str, Any] = {"beams": beams, "length_penalty": length_penalty}
    together = translator.predict(sources, **options)
    assert [translator.predict([source], **options)[0] for source in sources] == together


def test_a_penalty_below_zero_is_refused(translator: tt.SequenceTranslator) -> None:
    with pytest.raises(InputError, match=r"length_penalty: expected a number of 0 or more, got -1\.0"):
        translator.predict(["one"], length_penalty=-1.0)


@pytest.mark.parametrize("kind", ["pairs.tsv", "words.conll", "cases.ts"])
def test_lines_of_old_macs_are_lines(kind: str, tmp_path: Path) -> None:
    from throughtime.app.jobs.translator import read_pairs
    from throughtime.data.series.ts_files import read_ts
    from throughtime.data.text.conll import read_conll

    content = {
        "pairs.tsv": ["a b\tx y"] * 4,
        "words.conll": ["Ann\tX", ""] * 4,
        "cases.ts": ["@classLabel true a b", "@data", *["1,2:a"] * 4],
    }[kind]
    (tmp_path / kind).write_bytes("\r".join(content).encode())
    reader: Any = {"pairs.tsv": read_pairs, "words.conll": read_conll, "cases.ts": read_ts}[kind]
    assert len(reader(tmp_path / kind)[0]) == 4


def test_marks_of_the_vocabulary_are_words_of_a_text_like_any_other(translator: tt.SequenceTranslator) -> None:
    result = translator.align("one <pad> two </s> three")
    assert result.weights.shape[1] == len(result.source)
    np.testing.assert_allclose(result.weights.sum(1), 1, rtol=1e-5)
    learn = SubwordVocabulary.learn(["a <s> b", "a b"], SubwordSettings(30))
    assert learn.decode(learn.encode(["a <s> b"])) == ["a <s> b"]


def classifier(**settings: Any) -> tt.SequenceClassifier:
    return tt.SequenceClassifier(**{"preset": "fast", "hidden_size": 4, **settings})


@pytest.mark.parametrize(
    ("make", "data"),
    [
        (
            lambda: tt.SequenceClassifier(preset="fast", hidden_size=np.int64(4), dropout=np.float32(0.1)),
            (TEXTS, MOODS),
        ),
        (lambda: tt.SequenceClassifier(preset="fast", hidden_size=4, bidirectional=np.bool_(0)), (TEXTS, MOODS)),
        (
            lambda: tt.SequenceClassifier(
                preset="fast", hidden_size=4, class_weight={np.int64(0): 1.0, np.int64(1): 2}
            ),
            (TEXTS, [0, 1] * 10),
        ),
        (
            lambda: tt.SequenceClassifier(preset="fast", hidden_size=4, random_state=np.random.RandomState(0)),
            (TEXTS, MOODS),
        ),
        (lambda: tt.SequenceTagger(preset="fast", hidden_size=np.int64(4)), ([["a", "b"]] * 20, [["X", "Y"]] * 20)),
        (lambda: tt.SequenceGenerator(hidden_size=np.int64(8), epochs=np.int64(1)), ("abcd " * 50,)),
        (
            lambda: tt.SequenceTranslator(hidden_size=np.int64(8), epochs=1, vocabulary=SubwordSettings(40)),
            tuple(pairs(40)),
        ),
    ],
)
def test_settings_may_be_numbers_of_numpy(make: Any, data: tuple[Any, ...], tmp_path: Path) -> None:
    model = make().fit(*data)
    model.save(tmp_path / "model")
    loaded = tt.load(tmp_path / "model")
    assert loaded.hidden_size == model.hidden_size
    if not isinstance(model, tt.SequenceGenerator):
        np.testing.assert_array_equal(loaded.predict(data[0][:3]), model.predict(data[0][:3]))


@pytest.mark.parametrize(
    ("make", "data", "message"),
    [
        (lambda: tt.SequenceClassifier(bidirectional="False"), (TEXTS, MOODS), "bidirectional: expected True or False"),
        (lambda: tt.SequenceTagger(bidirectional="no"), ([["a"]] * 9, [["X"]] * 9), "bidirectional: expected True"),
        (lambda: SubwordSettings(40, lowercase="False"), None, "lowercase: expected True or False, got 'False'"),  # type: ignore[arg-type]
        (lambda: tt.SequenceGenerator(dropout="a"), ("abcd " * 50,), "dropout: expected a number of 0 or more"),
        (lambda: tt.SequenceGenerator(learning_rate="a"), ("abcd " * 50,), "learning_rate: expected a number above 0"),
        (lambda: tt.SequenceGenerator(random_state="0"), ("abcd " * 50,), "random_state: expected a whole number"),
        (lambda: tt.SequenceGenerator(preset=["a"]), ("abcd " * 50,), "preset: expected one of"),
        (lambda: tt.SequenceTranslator(label_smoothing="a"), pairs(9), "label_smoothing: expected a number of 0 or"),
        (lambda: tt.SequenceTranslator(teacher_forcing=0.5), pairs(9), "teacher_forcing: expected TeacherForcing"),
        (lambda: tt.SequenceTranslator(vocabulary=100), pairs(9), "vocabulary: expected SubwordSettings"),
        (lambda: tt.SequenceTranslator(random_state=-1), pairs(9), "random_state: expected a whole number of 0"),
    ],
)
def test_settings_of_other_types_are_refused(make: Any, data: Any, message: str) -> None:
    def attempt() -> None:
        model = make()
        model.fit(*data)

    with pytest.raises(InputError, match=message):
        attempt()


def test_the_first_symbol_counts_in_no_score() -> None:
    writer = tt.SequenceGenerator(hidden_size=8, epochs=1).fit("abcd " * 50)
    scores = writer.evaluate("ab")
    assert scores.bits_per_character == pytest.approx(scores.nats / np.log(2))
    assert writer.sample(3, top_k=np.int64(2), random_state=0)
    for options in ({"top_p": "0.5"}, {"top_k": 1.5}, {"temperature": "1"}):
        with pytest.raises(InputError, match=f"{next(iter(options))}: expected"):
            writer.sample(3, **options)  # type: ignore[arg-type]
    words = tt.SequenceGenerator(hidden_size=8, epochs=1, unit="words").fit("the cat sat on the mat . " * 30)
    assert words.sample(3, " ", random_state=0).startswith(" ")


@pytest.mark.parametrize("change", ["an unknown merge", "no token for what is unknown", "a token of half a character"])
def test_a_vocabulary_that_is_none_is_refused(change: str, tmp_path: Path) -> None:
    tt.SequenceClassifier(preset="fast", hidden_size=4, tokens="subword").fit(TEXTS, MOODS).save(tmp_path / "model")
    config = json.loads((tmp_path / "model" / CONFIG).read_text())
    words = json.dumps(config["encoder"])
    (inner,) = [chunk for chunk in (config["encoder"], *config["encoder"].values()) if "merges" in (chunk or ())]
    if change == "an unknown merge":
        inner["merges"].append(["qq", "zz"])
    else:
        inner["tokens"][0] = "\ud800" if "half" in change else "first"
    assert json.dumps(config["encoder"]) != words
    del config["sha256"]
    from throughtime.io import directory

    config["sha256"] = directory._checksum(config)
    (tmp_path / "model" / CONFIG).write_text(json.dumps(config))
    with pytest.raises(InputError, match="does not describe a usable model"):
        tt.load(tmp_path / "model").predict(TEXTS[:2])


# -- what holds sequences

RAMPS = [np.arange(3.0 + i % 4) * (1 if i % 2 else -1) for i in range(12)]
WAYS = ["down", "up"] * 6
CONTAINERS: dict[str, Any] = {
    "a column of pandas": pd.Series(RAMPS, index=range(50, 38, -1)),
    "a column of lists": pd.Series([ramp.tolist() for ramp in RAMPS]),
    "a frame of one column": pd.DataFrame({"ramp": RAMPS}),
    "a column of polars": pl.Series([ramp.tolist() for ramp in RAMPS]),
    "a frame of polars": pl.DataFrame({"ramp": [ramp.tolist() for ramp in RAMPS]}),
    "an array of pyarrow": pa.array([ramp.tolist() for ramp in RAMPS]),
    "a table of pyarrow": pa.table({"ramp": [ramp.tolist() for ramp in RAMPS]}),
    "an array of objects": pd.Series(RAMPS).to_numpy(),
    "tensors": [torch.tensor(ramp, requires_grad=True) for ramp in RAMPS],
    "columns": [pd.Series(ramp, index=range(len(ramp), 0, -1)) for ramp in RAMPS],
    "tuples": tuple(tuple(ramp) for ramp in RAMPS),
    "two-dimensional": [ramp[:, None] for ramp in RAMPS],
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_sequences_are_the_same_whatever_holds_them(kind: str) -> None:
    read = tt.SequenceClassifier()._read(CONTAINERS[kind])
    assert [sequence.shape for sequence in read] == [(len(ramp), 1) for ramp in RAMPS]
    np.testing.assert_array_equal(np.concatenate(read)[:, 0], np.concatenate(RAMPS))


def test_columns_of_a_frame_are_channels() -> None:
    frame = pd.DataFrame({"x": RAMPS, "y": [2 * ramp for ramp in RAMPS]})
    for data in (frame, frame.to_numpy()):
        read = tt.SequenceClassifier()._read(data)
        np.testing.assert_array_equal(read[1], np.stack([RAMPS[1], 2 * RAMPS[1]], 1))


def test_generators_are_read_once() -> None:
    learned = [classifier().fit(data, WAYS) for data in (RAMPS, iter(RAMPS))]
    np.testing.assert_array_equal(learned[0].predict_proba(RAMPS), learned[1].predict_proba(iter(RAMPS)))
    tagger = tt.SequenceTagger(preset="fast", hidden_size=4).fit(iter([["a", "b"]] * 20), iter([["X", "Y"]] * 20))
    assert tagger.score(iter([["a", "b"]]), iter([["X", "Y"]])) == tagger.score([["a", "b"]], [["X", "Y"]])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (pd.DataFrame({"a": ["t"] * 12, "b": RAMPS}), "expected one column, or columns that all hold sequences"),
        (pd.DataFrame({"a": RAMPS, "b": RAMPS[::-1]}), "channels of one length in row 1, got 3 to 6 steps"),
        ([*RAMPS[:-1], []], "one step or more, got none in sequence 12"),
        ([*RAMPS[:-1], None], "expected a sequence, got a missing value as number 12"),
        ([*RAMPS[:-1], np.zeros((2, 2))], "two dimensions each, got 1 in sequence 1 and 2 in sequence 12"),
        (
            [ramp[:, None] for ramp in RAMPS[:-1]] + [np.zeros((2, 2))],
            "1 channels as in sequence 1, got 2 in sequence 12",
        ),
        ([["1", "2"]] * 11 + [["3"]], "expected numbers, got .*'1'.* in sequence 1"),
        ([ramp * 1j for ramp in RAMPS], "expected numbers, got .*complex.* in sequence 1"),
        ({"a": RAMPS[0]}, "got dict, whose items have no order"),
        ([b"good"] * 12, "expected texts, got bytes as number 1"),
        (pd.Series(["good"] * 11 + [None]), "a text everywhere, got a missing value as number 12"),
    ],
)
def test_what_is_no_container_of_sequences_is_refused(X: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        classifier().fit(X, WAYS)


@pytest.mark.parametrize(
    "y", [pd.Series(WAYS, index=range(50, 38, -1)), pd.Categorical(WAYS), pa.array(WAYS), iter(WAYS)]
)
def test_classes_count_in_their_order(y: Any) -> None:
    classes, numbers = encode_classes(y, 12)
    assert classes[numbers].tolist() == WAYS


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([*WAYS[:-1], None], "a missing value .* in row 12"),
        (pd.Series([*WAYS[:-1], np.nan]), "a missing value .* in row 12"),
        (np.array([1.0, 0.0] * 5 + [1, np.nan]), "a missing value .* in row 12"),
        (pd.Series([1, 0] * 5 + [1, None], dtype="Int64"), "a missing value .* in row 12"),
        ([*WAYS[:-1], 3], "expected texts everywhere, .* got 3 in row 12"),
        ([way.encode() for way in WAYS], "got bytes in row 1"),
        (WAYS[:-1], "a class for each of the 12 sequences, got 11"),
        (["up"] * 12, "two classes or more, got one class, 'up'"),
        ("up" * 6, "got a single str"),
    ],
)
def test_classes_that_cannot_be_used_are_refused_by_their_row(y: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        encode_classes(y, 12)


WORDS, TAGS = [["a", "dog"], ["dogs"]], [["D", "N"], ["N"]]


@pytest.mark.parametrize(
    "kind", [pd.Series, pl.Series, pa.array, iter, tuple, lambda rows: pd.DataFrame({"words": rows})]
)
def test_sentences_are_the_same_whatever_holds_them(kind: Any) -> None:
    assert check_sentences(kind(WORDS)) == WORDS
    assert check_tags(kind(TAGS), WORDS) == TAGS


@pytest.mark.parametrize(
    ("words", "tags", "message"),
    [
        ([["a", None], ["b"]], TAGS, "expected words, got None as word 2 of sentence 1"),
        (WORDS, ["DN", "N"], "expected a list of tags for sentence 1, got str"),
        (WORDS, [["D", "N"], [np.nan]], "got nan for word 1 of sentence 2"),
        (WORDS, [["D", "N"], ["N", "N"]], "a tag for each of the 1 words of sentence 2, got 2"),
        (pd.DataFrame({"a": WORDS, "b": WORDS}), TAGS, "expected one column"),
    ],
)
def test_sentences_that_cannot_be_used_are_refused(words: Any, tags: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_tags(tags, check_sentences(words))


def test_music_may_come_in_arrays_and_columns() -> None:
    pieces = [[[60], [62, 64], []]] * 3
    expected = np.stack([as_rolls(pieces)[0]] * 3)
    for data in (
        iter(pieces),
        pd.Series(pieces),
        expected,
        [[np.array(step, dtype=int) for step in piece] for piece in pieces],
    ):
        np.testing.assert_array_equal(np.stack(as_rolls(data)), expected)
    with pytest.raises(InputError, match="join those to one"):
        tt.SequenceGenerator().fit(["one", "two"])
    with pytest.raises(InputError, match="got bytes: decode them first"):
        tt.SequenceGenerator().fit(b"one two")


# -- on the command line

FAST = ("--preset", "fast", "--set", "hidden_size=4")


def test_a_text_whose_end_has_characters_of_its_own_is_learned_from(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("the cat sat on the mat\n" * 60 + "café and cake\n" * 2, encoding="utf-8")
    _, err = run_in_process("train", "generate", "book.txt", *FAST, "--set", "epochs=1", "--out", "run", cwd=tmp_path)
    assert "characters that do not occur in the training data ('d', 'f', 'k', 'é')" in err
    assert (tmp_path / "run" / "report.html").is_file()


def test_a_class_that_is_never_learned_is_told_before_anything_is(tmp_path: Path) -> None:
    write(tmp_path / "data.tsv", ["label\ttext", *(f"{m}\t{t}" for m, t in zip(MOODS, TEXTS, strict=True))])
    write(tmp_path / "test.tsv", ["label\ttext", "?\tgood film"])
    _, err = run_in_process("train", "classify", "data.tsv", "--test", "test.tsv", *FAST, cwd=tmp_path, code=2)
    assert "test.tsv: the class '?' does not occur in data.tsv" in err
    assert "Training" not in err


@pytest.mark.parametrize("value", ["False", "false"])
def test_a_flag_is_read_as_one(value: str, tmp_path: Path) -> None:
    write(tmp_path / "data.tsv", ["label\ttext", *(f"{m}\t{t}" for m, t in zip(MOODS, TEXTS, strict=True))])
    run_in_process(
        "train", "classify", "data.tsv", *FAST, "--set", f"bidirectional={value}", "--out", "run", cwd=tmp_path
    )
    assert tt.load(tmp_path / "run" / "model").bidirectional is False


@pytest.mark.parametrize("kind", ["long", "returns", "separators"])
def test_tables_of_texts_are_read_whatever_stands_in_them(kind: str, tmp_path: Path) -> None:
    rows = [f"{t},{m}" for m, t in zip(MOODS, TEXTS, strict=True)]
    if kind == "separators":
        lines = [json.dumps({"text": f"{t}\u2028x", "label": m}, ensure_ascii=False) for m, t in zip(MOODS, TEXTS)]  # noqa: B905
        name, content = "data.jsonl", "\n".join(lines)
    else:
        end = "\r" if kind == "returns" else "\n"
        more = ["good " * 30_000 + ",+"] if kind == "long" else []
        name, content = "data.csv", end.join(["text,label", *rows, *more])
    (tmp_path / name).write_bytes(content.encode())
    run_in_process("train", "classify", name, *FAST, "--budget", "2s", "--out", "run", cwd=tmp_path)


def test_a_classifier_remembers_its_columns(tmp_path: Path) -> None:
    rows = [f"{t},nothing,{m}" for m, t in zip(MOODS, TEXTS, strict=True)]
    write(tmp_path / "data.csv", ["summary,text,label", *rows])
    run_in_process("train", "classify", "data.csv", "--text", "summary", *FAST, "--out", "run", cwd=tmp_path)
    inputs, _ = run_in_process("evaluate", "run", "data.csv", "--text", "summary", "--json", cwd=tmp_path)
    actual, err = run_in_process("evaluate", "run", "data.csv", "--json", cwd=tmp_path)
    assert json.loads(actual) == json.loads(inputs)
    assert "Texts: column summary" in err
    write(tmp_path / "other.csv", ["text", "good film"])
    assert "good film" in run_in_process("predict", "run", "other.csv", cwd=tmp_path)[0]


def test_words_in_columns_are_words_whatever_the_file_is_called(tmp_path: Path) -> None:
    write(tmp_path / "data.bio", ["Ann\tB-person", "left\tO", "", "Oslo\tB-place", "rained\tO", ""] * 20)
    run_in_process("train", "tag", "data.bio", *FAST, "--out", "run", cwd=tmp_path)
    out, _ = run_in_process("predict", "run", "data.bio", cwd=tmp_path)
    assert [line.split("\t")[0] for line in out.splitlines()[:5]] == ["Ann", "left", "", "Oslo", "rained"]


def test_each_line_has_a_translation(tmp_path: Path, translator: tt.SequenceTranslator) -> None:
    translator.save(tmp_path / "model")
    (tmp_path / "lines.txt").write_bytes("one\u2028two\nthree\x0cfour\r\n\nfive\n".encode())
    out, _ = run_in_process("predict", "model", "lines.txt", cwd=tmp_path)
    assert out.count("\n") == 4
