"""Files of sequences: `.ts`, CoNLL and CoNLL-U, tables of texts; what is broken is named by its line."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from throughtime import InputError
from throughtime.app.jobs.translator import read_pairs, read_sources
from throughtime.data.series.ts_files import read_ts
from throughtime.data.text.conll import read_conll
from throughtime.data.text.labelled_texts import read_labelled_texts

if TYPE_CHECKING:
    from pathlib import Path

TS = """# a comment
@problemName tiny
@timeStamps false
@univariate false
@classLabel true left right
@data
1,2,3:4,5,6:left
7.5,-1:0,1e3:right
"""
CONLLU = """# text = He didn't
1\tHe\the\tPRON\tPRP\t_\t2\tnsubj\t_\t_
2-3\tdidn't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdid\tdo\tAUX\tVBD\t_\t0\troot\t_\t_
3\tn't\tnot\tPART\tRB\t_\t2\tadvmod\t_\t_
3.1\tgo\tgo\tVERB\tVB\t_\t_\t_\t_\t_

# text = Go
1\tGo\tgo\tVERB\tVB\t_\t0\troot\t_\t_
"""
CONLL = "-DOCSTART- -X- O O\n\nEU NNP I-NP B-ORG\nrejects VBZ I-VP O\n\t\n\nPeter NNP I-NP B-PER\n"
TSV = 'label\tfold\ttext\n1\t0\t"quoted" at the start\n0\t1\tan unpaired " mark\n1\t2\tplain\n'


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


# -- .ts


def test_cases_of_different_lengths_are_read_channel_by_channel(tmp_path: Path) -> None:
    sequences, labels = read_ts(written(tmp_path / "tiny.ts", TS))
    assert labels == ["left", "right"]
    assert [s.tolist() for s in sequences] == [[[1, 4], [2, 5], [3, 6]], [[7.5, 0], [-1, 1000]]]


def test_a_missing_value_of_a_ts_file_is_nan(tmp_path: Path) -> None:
    path = tmp_path / "cases.ts"
    path.write_text(TS.replace("7.5,-1", "7.5,?"))
    sequences, _ = read_ts(path)
    assert np.isnan(sequences[1]).tolist() == [[False, False], [True, False]]


TS_FAULTS = {
    "text among numbers": ("7.5,-1", "7.5,x", "line 8, channel 1: 'x' is not a number"),
    "an empty value": ("7.5,-1", "7.5,", "line 8, channel 1: the value is missing; write ? for it"),
    "an infinite value": ("7.5,-1", "7.5,inf", "line 8, channel 1: expected finite numbers, got inf"),
    "another class": ("1e3:right", "1e3:up", "line 8: expected one of the classes left, right at the end, got 'up'"),
    "a channel too many": ("0,1e3", "0,1e3:1,1", "line 8: expected 2 channels as in the first case, got 3"),
    "channels of two lengths": ("0,1e3", "0", "line 8: expected channels of one length, got 1 to 2 values"),
    "no colon": ("7.5,-1:0,1e3:right", "right", "line 8: expected values, a colon and a class, got no colon"),
    "no @data": ("@data\n", "", "line 6: expected a header line that begins with @ before @data, got '1,2,3"),
    "no case": (TS[TS.index("1,2,3") :], "", "expected a case after @data"),
    "time stamps": ("@timeStamps false", "@timeStamps true", "line 3: expected values without time stamps"),
}


@pytest.mark.parametrize("fault", TS_FAULTS)
def test_a_ts_file_is_refused_with(fault: str, tmp_path: Path) -> None:
    old, new, sentence = TS_FAULTS[fault]
    assert old in TS
    with pytest.raises(InputError) as caught:
        read_ts(written(tmp_path / "tiny.ts", TS.replace(old, new)))
    assert sentence in str(caught.value)
    assert "tiny.ts" in str(caught.value)


# -- CoNLL


def test_conllu_leaves_out_what_is_no_word(tmp_path: Path) -> None:
    path = written(tmp_path / "a.conllu", CONLLU)
    assert read_conll(path)[:2] == ([["He", "did", "n't"], ["Go"]], [["PRON", "AUX", "PART"], ["VERB"]])
    assert read_conll(path, "xpos")[1] == [["PRP", "VBD", "RB"], ["VB"]]


def test_conll_takes_the_first_column_and_the_last(tmp_path: Path) -> None:
    assert read_conll(written(tmp_path / "a.conll", CONLL))[:2] == (
        [["EU", "rejects"], ["Peter"]],
        [["B-ORG", "O"], ["B-PER"]],
    )


def test_a_gzipped_file_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.conllu.gz"
    path.write_bytes(gzip.compress(CONLLU.encode()))
    assert len(read_conll(path)[0]) == 2


WORDS = [["Ann", "left"], ["Oslo"]]
COMMENTED = {
    "blanks": "# id 17\tdomain=en\nAnn B-PER\nleft O\n\n# id 18\nOslo B-LOC\n",
    "a tab": "# id 17\tdomain=en\nAnn\tB-PER\nleft\tO\n\n# id 18\tdomain=en\nOslo\tB-LOC\n",
    "as many columns": "# sent_id = 1\nAnn NNP I B-PER\nleft VB I O\n\n# sent_id = 2\nOslo NNP I B-LOC\n",
    "a head": "#\n# Some rights reserved\nAnn\tB-PER\nleft\tO\n\nOslo\tB-LOC\n",
    "within": "# one\nAnn\tB-PER\n# not sure about this one\nleft\tO\n\nOslo\tB-LOC\n",
}


@pytest.mark.parametrize("kind", COMMENTED)
def test_comment_lines_are_skipped_and_counted(kind: str, tmp_path: Path) -> None:
    dataset = read_conll(written(tmp_path / "a.conll", COMMENTED[kind]))
    assert (dataset.words, dataset.tags) == (WORDS, [["B-PER", "O"], ["B-LOC"]])
    assert dataset.notes[0] == "Skipped 2 comment lines, the first in line 1."


@pytest.mark.parametrize(
    "text", ["Ann X\n# O\n#tag O\n\n# O\nleft X\n", "Ann\tX\n#\tO\n#tag\tO\n\n#\tO\nleft\tX\nup\tO\n"]
)
def test_a_word_may_begin_with_the_mark_of_comments(text: str, tmp_path: Path) -> None:
    if "up" not in text:
        text += "up O\n"
    sentences = read_conll(written(tmp_path / "a.conll", text))
    assert sentences == ([["Ann", "#", "#tag"], ["#", "left", "up"]], [["X", "O", "O"], ["O", "X", "O"]], [])


def test_tags_of_nothing_but_hashes_are_tags(tmp_path: Path) -> None:
    text = "of IN\n# #\n5 CD\n\n#one HT\nof IN\n#two HT\n"
    assert read_conll(written(tmp_path / "a.conll", text)).tags == [["IN", "#", "CD"], ["HT", "IN", "HT"]]


LAYOUTS = {
    "tabs that align": ("Ann\t\tX\nleft\t\tO\n\nlonger one\tX\n", [["Ann", "left"], ["longer one"]]),
    "blank lines with blanks": ("Ann X\r\nleft O\r\n \t \r\nOslo X \r\n", WORDS),
    "a no-break space in a word": ("10\u00a0000 X\nleft O\n", [["10\u00a0000", "left"]]),
    "two files in one": ("\ufeffAnn X\nleft O\n\n\ufeffOslo X\n", WORDS),
    "numbers of words": ("1\tAnn\tX\n2\tleft\tO\n\n1\tOslo\tX\n", WORDS),
    "tags in front": ("B-X\tAnn\nO\tleft\n\nB-X\tOslo\n", WORDS),
    "documents": ("-DOCSTART- -X- O\nAnn N X\nleft V O\n-DOCSTART- -X- O\nOslo N X\n", WORDS),
    "untagged": ("Ann\nleft\n\nOslo\n", WORDS),
    "CoNLL-U Plus": ("# global.columns = ID FORM UPOS\n1\tAnn\tX\n2\tleft\tO\n\n1\tOslo\tX\n", WORDS),
}


@pytest.mark.parametrize("kind", LAYOUTS)
def test_the_layout_of_a_file_of_words_is_recognised(kind: str, tmp_path: Path) -> None:
    text, words = LAYOUTS[kind]
    sentences = read_conll(written(tmp_path / "a.conll", text), need_tags=False)
    assert sentences.words == words
    assert {tag for tags in sentences.tags for tag in tags} <= {"X", "O", "B-X", None}
    assert all(tag is None for tags in sentences.tags for tag in tags) == (kind == "untagged")


def test_an_underscore_of_conllu_is_an_open_tag(tmp_path: Path) -> None:
    sentences = read_conll(written(tmp_path / "a.conllu", CONLLU.replace("\tAUX\t", "\t_\t")))
    assert sentences.tags == [["PRON", None, "PART"], ["VERB"]]
    assert "1 word without a tag" in sentences.notes[-1]


CONLL_FAULTS = {
    "columns missing": ("a.conllu", CONLLU.replace("\tAUX\t", "\t"), "line 4: expected the 10 columns of CoNLL-U"),
    "no number": ("a.conllu", CONLLU.replace("\n3\t", "\nx\t"), "line 5: expected the number of a word"),
    "no word": ("a.conllu", CONLLU.replace("1\tGo", "1\t"), "line 9: expected a word in the second column"),
    "no tag": ("a.conll", CONLL.replace("rejects VBZ I-VP O", "rejects"), "line 4: expected a word and its tag"),
    "a tag missing in some lines": (
        "a.conll",
        "Ann X\nleft\nup O\n",
        "line 2: expected a word and its tag, got 'left'",
    ),
    "no tag at all": ("a.conll", "Ann\nleft\n", "got no tag in the last column of any line"),
    "no tag but underscores": ("a.conll", "Ann\t_\nleft\t_\n", "got no tag in the last column of any line"),
    "a column more": (
        "a.conll",
        "Ann N X\nleft V a O\nup N O\n",
        "line 2: expected a word and its tag, got 'left V a O'",
    ),
    "tabs and spaces": ("a.conll", "Ann\tX\nleft O\nup\tO\n", "line 2: expected a word and its tag, got 'left O'; its"),
    "a comment or a word": ("a.conll", "# id17\nAnn X\nleft O\n", "line 1: '# id17' may be a comment or the word '#'"),
    "an untagged hashtag": ("a.conll", "Ann X\n#tag\nleft O\n", "line 2: expected a word and its tag, got '#tag'"),
    "columns swapped": ("a.conll", "".join(f"X w{i}\nY v{i}\n" for i in range(20)), "are the columns swapped?"),
    "one word everywhere": (
        "a.conll",
        "".join(f"doc w{i} X\n" for i in range(20)),
        "expected words in the first column",
    ),
    "CoNLL-2012": ("a.conll", "#begin document (a)\na 0 Ann X\na 1 up O\n", "this is a CoNLL-2012 file"),
    "a blank line missing": (
        "a.conllu",
        CONLLU.replace("\n\n", "\n"),
        "line 8: expected word number 4 of the sentence, got number 1",
    ),
    "an empty file": ("a.conll", "\n", "is empty: expected a word and its tag a line"),
    "comments alone": ("a.conllu", "# text\n", "got no words"),
}


@pytest.mark.parametrize("fault", CONLL_FAULTS)
def test_a_conll_file_is_refused_with(fault: str, tmp_path: Path) -> None:
    name, text, sentence = CONLL_FAULTS[fault]
    with pytest.raises(InputError) as caught:
        read_conll(written(tmp_path / name, text))
    assert sentence in str(caught.value)
    assert name in str(caught.value)


def test_a_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected one of lemma, upos, xpos, deprel, got 'pos'"):
        read_conll(written(tmp_path / "a.conllu", CONLLU), "pos")
    with pytest.raises(InputError, match="expected a CoNLL-U file"):
        read_conll(written(tmp_path / "a.conll", CONLL), "xpos")


# -- tables of texts


def test_quotation_marks_between_tabs_are_characters(tmp_path: Path) -> None:
    dataset = read_labelled_texts(written(tmp_path / "a.tsv", TSV))
    assert dataset.texts == ['"quoted" at the start', 'an unpaired " mark', "plain"]
    assert dataset.labels == ["1", "0", "1"]
    assert dataset.notes == [
        "Texts: column text (another one with --text).",
        "Labels: column label (another one with --label).",
    ]


def test_csv_may_quote_and_break_lines(tmp_path: Path) -> None:
    dataset = read_labelled_texts(written(tmp_path / "a.csv", 'review,sentiment\n"good, ""very""\nindeed",+\nbad,-\n'))
    assert dataset.texts == ['good, "very"\nindeed', "bad"]
    assert dataset.labels == ["+", "-"]


def test_parquet_and_json_lines_are_read_alike(tmp_path: Path) -> None:
    rows = [{"words": f"a long text {i}", "kind": "ab"[i % 2]} for i in range(6)]
    pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
    written(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    for name in ("a.parquet", "a.jsonl"):
        dataset = read_labelled_texts(tmp_path / name)
        assert dataset.texts[1] == "a long text 1"
        assert dataset.labels == list("ababab")


def test_labels_may_be_absent_where_they_are_not_needed(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tsv", "text\nsome words\nother words\n")
    assert read_labelled_texts(path, need_labels=False).labels is None
    with pytest.raises(InputError, match="name it with --label"):
        read_labelled_texts(path)


TABLE_FAULTS = {
    "no label": (TSV.replace("0\t1\tan", "\t1\tan"), {}, "line 3, column label: expected a label, got an empty cell"),
    "no text": (TSV.replace("plain", ""), {}, "line 4, column text: expected a text, got an empty cell"),
    "a cell too many": ("text,label\na,1\nb,2,3\n", {}, "line 3: expected 2 cells as in the first line, got 3"),
    "a header alone": ("text,label\n", {}, "got a header alone"),
    "no such column": (TSV, {"text": "txt"}, "has no column txt; did you mean text?"),
    "broken JSON": ('{"text": "a", "label": 1}\n{"text"\n', {}, "line 2: expected a JSON object"),
}


@pytest.mark.parametrize("fault", TABLE_FAULTS)
def test_a_table_of_texts_is_refused_with(fault: str, tmp_path: Path) -> None:
    text, options, sentence = TABLE_FAULTS[fault]
    with pytest.raises(InputError) as caught:
        read_labelled_texts(written(tmp_path / "a.csv", text), **options)
    assert sentence in str(caught.value)


def test_the_real_sets_have_the_sizes_that_are_published(data_dir: Path) -> None:
    sequences, labels = read_ts(data_dir / "classification/ucr_uea/JapaneseVowels/JapaneseVowels_TRAIN.ts")
    lengths = [len(s) for s in sequences]
    assert (len(sequences), len(set(labels)), sequences[0].shape[1], min(lengths), max(lengths)) == (270, 9, 12, 7, 26)
    assert np.isfinite(np.concatenate(sequences)).all()
    assert len(read_labelled_texts(data_dir / "classification/mr/mr.tsv").texts) == 10_662
    words = read_conll(data_dir / "tagging/ud_english_ewt/en_ewt-ud-test.conllu.gz").words
    assert (len(words), sum(map(len, words))) == (2_077, 25_094)
    words = read_conll(data_dir / "tagging/wnut17/dev.conll").words
    assert sum(map(len, words)) == 15_733


# -- tables of texts as people have them

OPINIONS = [(f"good film {i}", "pos") if i % 2 else (f"bad film, no {i}", "neg") for i in range(12)]


def joined(separator: str, header: str = "", pattern: str = "{0}{2}{1}") -> str:
    """Opinions as a table."""
    return "\n".join(([header] if header else []) + [pattern.format(*row, separator) for row in OPINIONS]) + "\n"


TEXT_TABLES = {
    "no header": joined("\t"),
    "no header, semicolons": joined(";"),
    "no header, commas": joined(",", pattern='"{0}"{2}{1}'),
    "labels first": joined("\t", "label\ttext", "{1}{2}{0}"),
    "other names, labels first": joined("\t", "kind\tphrase", "{1}{2}{0}"),
    "quoted tabs": joined("\t", "text\tlabel", '"{0}"{2}{1}'),
    "a line that names the separator": "sep=;\n" + joined(";", "text;label"),
    "bars": joined("|", "text|label"),
    "a column without a name": joined("\t", "\ttext\tlabel", "7{2}{0}{2}{1}"),
    "a list of objects": json.dumps([{"text": text, "label": label} for text, label in OPINIONS], indent=1),
    "UTF-16": joined("\t", "text\tlabel").encode("utf-16"),
}


@pytest.mark.parametrize("kind", TEXT_TABLES)
def test_texts_and_labels_are_found(kind: str, tmp_path: Path) -> None:
    content = TEXT_TABLES[kind]
    (tmp_path / "a.tsv").write_bytes(content if isinstance(content, bytes) else content.encode())
    dataset = read_labelled_texts(tmp_path / "a.tsv")
    assert list(zip(dataset.texts, dataset.labels or [], strict=True)) == OPINIONS
    assert dataset.notes[0].startswith("The file has no header") == kind.startswith("no header")


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_an_encoding_of_texts_is_recognised_and_named(encoding: str, tmp_path: Path) -> None:
    opinions = [(text.replace("a", "ä"), label) for text, label in OPINIONS]
    (tmp_path / "a.tsv").write_bytes("\n".join(["text\tlabel", *map("\t".join, opinions)]).encode(encoding))
    dataset = read_labelled_texts(tmp_path / "a.tsv")
    assert list(zip(dataset.texts, dataset.labels or [], strict=True)) == opinions
    assert dataset.notes[0].startswith("Encoding: Windows-1252")


def test_texts_in_an_encoding_that_is_not_recognised_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes("text\tlabel\nхорошо\tpos\n".encode("cp1251"))
    with pytest.raises(InputError, match=r"line 2: byte 0xf5 is not valid UTF-8, .*; save the file as UTF-8$"):
        read_labelled_texts(tmp_path / "a.tsv")


def test_a_first_text_is_no_header(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", "good film\nbad film\n")
    assert read_labelled_texts(path, need_labels=False).texts == ["good film", "bad film"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (joined("\t", "text\tlabel", "{1}{2}{0}"), "classes in the column label, got 12 .* text and label swapped"),
        (joined("\t", "text\tlabel\tmood", "{0}{2}{1}{2}{1}").replace("mood", "sentiment").replace("pos\n", "x\n"),
         "the labels may be in label or sentiment; name the column with --label"),
        (joined("\t", "text\tlabel\ttext", "{0}{2}{1}{2}x"), "line 1: .* got text twice"),
        (joined("\t", "text\tlabel") + "x\ty\tz\n", "line 14: expected 2 cells as in the first line, got 3"),
        (joined("\t", "text\tlabel") + "\tpos\n", "line 14, column text: expected a text, got an empty cell"),
        ('{"text": ["a", "b"], "label": "x"}\n', "line 1, column text: expected a text, got ..a., .b.."),
    ],
)  # fmt: skip
def test_tables_of_texts_that_leave_something_open_are_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_labelled_texts(written(tmp_path / "a.tsv", text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b\tx y\nc d\n", "line 2: expected a sentence, a tab and its translation, got 1 cell"),
        ("a b\tx y\n\tx\n", "line 2: .* got 2 cells and an empty one"),
        ("a b\tx y\nc\td\te\n", "line 2: .* got 3 cells: 'c.td.te'"),
    ],
)
def test_lines_that_are_no_pair_are_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_pairs(written(tmp_path / "pairs.tsv", text))


def test_a_header_of_pairs_is_no_pair(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert read_pairs(written(tmp_path / "pairs.tsv", "source\ttarget\na\tx\n")) == (["a"], ["x"])
    assert "line 1 names the columns" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TS.replace("@timeStamps false", "@timeStamps True"), "line 3: expected values without time stamps"),
        (TS.replace("@data", "@targetLabel true\n@data"), "line 6: expected classes, .* got numbers to predict"),
        (TS.replace("@data", "@equalLength true\n@seriesLength 3\n@data"), "line 10: expected 3 values, .* got 2"),
    ],
)
def test_a_ts_file_keeps_to_its_header(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_ts(written(tmp_path / "a.ts", text))


def test_pairs_are_translated_by_their_first_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert read_sources(written(tmp_path / "a.tsv", "a b\tx\nc\ty\n")) == ["a b", "c"]
    assert "holds pairs" in capsys.readouterr().err
    with pytest.raises(InputError, match="line 2: expected a sentence, a tab and its translation"):
        read_sources(written(tmp_path / "b.tsv", "a b\tx\nc\n"))
