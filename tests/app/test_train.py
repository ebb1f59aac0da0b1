"""`train`, `predict` and `evaluate` for classifiers and taggers: what they write, say and refuse."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from tests.app.process import run_in_process, write

import throughtime as tt
from throughtime.app.jobs import tasks
from throughtime.app.jobs.tasks import parse_settings

if TYPE_CHECKING:
    from pathlib import Path

FAST = ("--preset", "fast", "--set", "hidden_size=16", "--set", "dropout=0.1")
MOODS = [f"{('+', '-')[i % 2]}\tthe {('good', 'bad')[i % 2]} film {i % 5}" for i in range(60)]
TABLE = ["label\ttext", *MOODS]
TS = [
    "@classLabel true up down",
    "@data",
    *(f"{','.join(str(k * s) for k in range(5 + i % 3))}:{w}" for i in range(12) for s, w in ((1, "up"), (-1, "down"))),
]
SENTENCE = ["1\tThe\tthe\tDET\tDT\t_\t2\tdet\t_\t_", "2\tdog\tdog\tNOUN\tNN\t_\t0\troot\t_\t_", ""]
CONLLU = SENTENCE * 60
CONLL = ["Ann\tB-person", "left\tO", "", "Oslo\tB-place", "rained\tO", ""] * 20


@pytest.fixture(scope="module")
def moods(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run of `train classify` on texts, with what it printed as JSON."""
    directory = tmp_path_factory.mktemp("classify")
    write(directory / "moods.tsv", TABLE)
    write(directory / "test.tsv", TABLE[:21])
    out, _ = run_in_process(
        "train", "classify", "moods.tsv", "--test", "test.tsv", *FAST, "--out", "run", "--json", cwd=directory
    )
    return directory, json.loads(out)


@pytest.fixture(scope="module")
def tags(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run of `train tag` on entities, with what it printed as JSON."""
    directory = tmp_path_factory.mktemp("tag")
    write(directory / "data.conll", CONLL)
    out, _ = run_in_process("train", "tag", "data.conll", *FAST, "--out", "run", "--json", cwd=directory)
    return directory, json.loads(out)


def test_a_classifier_is_trained_judged_and_reported(moods: tuple[Path, dict[str, Any]]) -> None:
    directory, result = moods
    assert set(result) == {
        "task", "model", "report", "predictions", "accuracy", "macro_f1", "majority", "classes", "tested_on",
        "trained_on", "seconds", "overlap",
    }  # fmt: skip
    assert (result["classes"], result["tested_on"], result["trained_on"]) == (2, 20, 60)
    assert result["accuracy"] > 0.9
    assert {path.name for path in (directory / "run").iterdir()} == {
        "model", "report.html", "predictions.csv", "run.json",
    }  # fmt: skip
    assert tt.load(directory / "run" / "model").hidden_size == 16
    run = json.loads((directory / "run" / "run.json").read_text())
    assert run["settings"] == {"preset": "fast", "random_state": 0, "hidden_size": 16, "dropout": 0.1}


def test_classes_are_predicted_for_a_file_without_labels(moods: tuple[Path, dict[str, Any]]) -> None:
    directory, _ = moods
    write(directory / "fresh.csv", ["text", "a good one", "how bad"])
    out, _ = run_in_process("predict", "run", "fresh.csv", cwd=directory)
    rows = pl.read_csv(out.encode())
    assert rows.columns == ["row", "predicted", "probability of +", "probability of -", "text"]
    assert rows["predicted"].to_list() == ["+", "-"]
    out, _ = run_in_process("predict", "run/model", "fresh.csv", "--json", cwd=directory)
    assert [row["predicted"] for row in json.loads(out)["predictions"]] == ["+", "-"]
    run_in_process("predict", "run", "fresh.csv", "--out", "classes.csv", cwd=directory)
    assert (directory / "classes.csv").read_text().count("\n") == 3
    _, err = run_in_process("predict", "run", "fresh.csv", "--out", "classes.csv", cwd=directory, code=2)
    assert "--out: classes.csv exists" in err


def test_a_classifier_is_evaluated_on_a_file(moods: tuple[Path, dict[str, Any]]) -> None:
    directory, result = moods
    out, _ = run_in_process("evaluate", "run", "test.tsv", "--json", cwd=directory)
    output = json.loads(out)
    assert output["accuracy"] == result["accuracy"]
    assert sum(map(sum, output["confusion"]["counts"])) == 20
    out, _ = run_in_process("evaluate", "run", "test.tsv", cwd=directory)
    assert "precision" in out
    assert "of 20 sequences of the training data are classified correctly" in out
    write(directory / "other.tsv", ["label\ttext", "?\tgood", "?\tbad"])
    _, err = run_in_process("evaluate", "run", "other.tsv", cwd=directory, code=2)
    assert "other.tsv: y: expected one of the classes '+', '-', got '?' in row 1" in err


def test_sequences_of_numbers_are_classified_from_ts_files(tmp_path: Path) -> None:
    write(tmp_path / "lines.ts", TS)
    out, err = run_in_process("train", "classify", "lines.ts", *FAST, cwd=tmp_path)
    assert "4 of 24 sequences were set aside" in err
    assert "Model        throughtime-lines/model" in out
    out, _ = run_in_process("predict", "throughtime-lines", "lines.ts", cwd=tmp_path)
    assert out.startswith("row,predicted,probability of down,probability of up\n1,")
    assert "<svg" in (tmp_path / "throughtime-lines" / "report.html").read_text()


def test_a_tagger_is_trained_judged_and_reported(tags: tuple[Path, dict[str, Any]]) -> None:
    directory, result = tags
    assert set(result) == {
        "task", "model", "report", "predictions", "accuracy", "entities", "tags", "tested_on", "trained_on", "seconds",
        "overlap",
    }  # fmt: skip
    assert result["accuracy"] > 0.9
    assert set(result["entities"]) == {"precision", "recall", "f1"}
    page = (directory / "run" / "report.html").read_text()
    assert "entities" in page
    assert (directory / "run" / "predictions.conll").read_text().count("\n\n") == 4


def test_words_are_tagged_from_conll_and_from_plain_text(tags: tuple[Path, dict[str, Any]]) -> None:
    directory, _ = tags
    write(directory / "fresh.txt", ["Ann left", "", "Oslo rained"])
    write(directory / "fresh.conll", ["Ann\tO", "left\tO", "", "Oslo\tO", "rained\tO"])
    expected = "Ann\tB-person\nleft\tO\n\nOslo\tB-place\nrained\tO\n\n"
    for name in ("fresh.txt", "fresh.conll"):
        assert run_in_process("predict", "run", name, cwd=directory)[0] == expected
    out, _ = run_in_process("predict", "run", "fresh.txt", "--json", cwd=directory)
    assert json.loads(out)["predictions"][1] == {"words": ["Oslo", "rained"], "tags": ["B-place", "O"]}


def test_a_tagger_is_evaluated_on_a_file(tags: tuple[Path, dict[str, Any]]) -> None:
    directory, _ = tags
    out, _ = run_in_process("evaluate", "run", "data.conll", "--json", cwd=directory)
    assert json.loads(out)["tested_on"] == 80
    out, _ = run_in_process("evaluate", "run", "data.conll", cwd=directory)
    assert "entities" in out


def test_parts_of_speech_come_from_the_column_that_was_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "data.conllu", CONLLU)
    run_in_process("train", "tag", "data.conllu", "--column", "xpos", *FAST, "--out", "run", cwd=tmp_path)
    write(tmp_path / "fresh.txt", ["The dog"])
    assert run_in_process("predict", "run", "fresh.txt", cwd=tmp_path)[0] == "The\tDT\ndog\tNN\n\n"


@pytest.mark.parametrize("page", ["moods", "tags"])
def test_a_report_needs_nothing_from_the_network(page: str, request: pytest.FixtureRequest) -> None:
    directory, _ = request.getfixturevalue(page)
    text = (directory / "run" / "report.html").read_text(encoding="utf-8")
    assert "http" not in text.replace("http://www.w3.org", "").replace("http-equiv", "")
    assert "<script" not in text
    for section in ("scores", "confusion", "training", "data", "reproduce"):
        assert f'id="{section}"' in text


def test_misclassified_examples_are_shown_as_they_were_read_and_escaped(tmp_path: Path) -> None:
    wrong = ["-\tthe <good> film &amp;"] * 5
    write(tmp_path / "data.tsv", TABLE)
    write(tmp_path / "test.tsv", [*TABLE, *wrong])
    run_in_process("train", "classify", "data.tsv", "--test", "test.tsv", *FAST, "--out", "run", cwd=tmp_path)
    text = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "&lt;good&gt;" in text
    assert "&amp;amp;" in text
    assert "-, classified as +" in text


REFUSED = {
    "an unknown task": (
        ["train", "clasify", "moods.tsv"],
        "expected one of forecast, classify, tag, generate, translate, got 'clasify'; did you mean classify",
    ),
    "an option of another task": (
        ["train", "classify", "moods.tsv", "--horizon", 6],
        "--horizon does not apply to `classify`; leave it out",
    ),
    "a forecast without horizon": (
        ["train", "forecast", "moods.tsv"],
        "--horizon: set the number of steps to forecast",
    ),
    "a forecast with a test file": (
        ["train", "forecast", "moods.tsv", "--horizon", 6, "--test", "one.tsv"],
        "for later rows there is throughtime evaluate",
    ),
    "a wrong setting of a forecaster": (
        ["train", "forecast", "moods.tsv", "--horizon", 6, "--set", "hidden_size=0"],
        "--set hidden_size: expected a whole number of 1 or more, got 0",
    ),
    "an unknown setting": (
        ["train", "classify", "moods.tsv", "--set", "size=3"],
        "--set: expected one of bidirectional",
    ),
    "a setting without value": (["train", "classify", "moods.tsv", "--set", "size"], "--set: expected NAME=VALUE"),
    "a wrong setting": (["train", "classify", "moods.tsv", "--cell", "grub"], "--cell: expected one of rnn, gru, lstm"),
    "no such column": (["train", "classify", "moods.tsv", "--label", "lable"], "no column lable; did you mean label?"),
    "a single class": (
        ["train", "classify", "one.tsv"],
        "one.tsv: y: expected two classes or more, got one class, '+'",
    ),
    "a file that is none": (["train", "classify", "mods.tsv"], "there is no such file; did you mean moods.tsv?"),
    "broken CoNLL": (["train", "tag", "broken.conll"], "broken.conll, line 2: expected a word and its tag, got 'left'"),
    "a test file without cases": (["train", "tag", "good.conll", "--test", "empty.conll"], "empty.conll is empty"),
    "a single sentence": (["train", "tag", "broken.ts.conll"], "expected two sentences or more, got 1"),
    "a model that is none": (["evaluate", ".", "moods.tsv"], ".: expected a model directory with config.json"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_it_refuses(fault: str, tmp_path: Path) -> None:
    write(tmp_path / "moods.tsv", TABLE)
    write(tmp_path / "one.tsv", [TABLE[0], *MOODS[::2]])
    write(tmp_path / "good.conll", CONLL)
    write(tmp_path / "broken.conll", ["Ann\tB-person", "left"])
    write(tmp_path / "broken.ts.conll", ["Ann\tB-person", "left\tO"])
    write(tmp_path / "empty.conll", [""])
    before = sorted(path.name for path in tmp_path.iterdir())
    arguments, sentence = REFUSED[fault]
    out, err = run_in_process(*arguments, cwd=tmp_path, code=2)
    assert out == ""
    assert sentence in err.rstrip("\n").rpartition("\n")[2]
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_settings_are_read_as_json_where_they_are_such() -> None:
    pairs = ["dropout=0.3", "bidirectional=false", "pooling=max", "num-layers=2"]
    assert parse_settings({"cell": None, "preset": "fast"}, pairs) == {
        "preset": "fast", "dropout": 0.3, "bidirectional": False, "pooling": "max", "num_layers": 2,
    }  # fmt: skip


@pytest.mark.parametrize("task", tasks.TASKS)
def test_every_task_trains_predicts_and_evaluates(task: str) -> None:
    module = tasks.task_module(task)
    assert all(callable(getattr(module, name)) for name in ("prepare", "predict", "evaluate"))
