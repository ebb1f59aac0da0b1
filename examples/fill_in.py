"""Fill in a blanked word in the middle of a sentence, from both sides and from the left alone.

A tagger whose tags are the words that were there: every blank is to be tagged with its word, and all other words are
read but not learned from. What stands after the blank helps as much as what stands before it, and only a bidirectional
network sees both.

    python examples/fill_in.py train.conllu.gz test.conllu.gz
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

import throughtime as tt
from throughtime.data.text.conll import read_conll

BLANK = "____"
WORDS = 300  # that may be filled in: the most frequent ones
SHARE = 0.25  # of those that are blanked
LONGEST = 30  # words of a sentence that is learned from


def blanked(
    sentences: list[list[str]], known: set[str], random: np.random.Generator
) -> tuple[list[list[str]], list[list[str | None]]]:
    """Sentences with blanks, and what stood there; None elsewhere."""
    shown: list[list[str]] = []
    hidden: list[list[str | None]] = []
    for sentence in sentences:
        words = [word.lower() for word in sentence]
        chosen = [word in known and random.random() < SHARE for word in words]
        shown.append([BLANK if blank else word for word, blank in zip(sentence, chosen, strict=True)])
        hidden.append([word if blank else None for word, blank in zip(words, chosen, strict=True)])
    return shown, hidden


def main() -> None:
    """Train both networks, and print how often each finds the word."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path, help="CoNLL-U file to learn from")
    parser.add_argument("test", type=Path, help="CoNLL-U file to judge by")
    parser.add_argument("--preset", default="balanced", help="work for each network: fast, balanced or best")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    random = np.random.default_rng(options.seed)
    sentences = read_conll(options.train).words
    counts = Counter(word.lower() for sentence in sentences for word in sentence)
    frequent = [word for word, _ in counts.most_common(WORDS)]
    known = set(frequent)
    shown, hidden = blanked([each for each in sentences if len(each) <= LONGEST], known, random)
    unseen, answers = blanked(read_conll(options.test).words, known, random)
    right = [word for each in answers for word in each if word is not None]
    print(f"{len(right)} blanks; always '{frequent[0]}': {np.mean([w == frequent[0] for w in right]):.1%}")

    taggers = {}
    for name, both in (("from both sides", True), ("from the left alone", False)):
        tagger = tt.SequenceTagger(
            cell="gru",
            hidden_size=128,
            dropout=0.2,
            bidirectional=both,
            preset=options.preset,
            random_state=options.seed,
        )
        taggers[name] = tagger.fit(shown, hidden)
        print(f"{name}: {tagger.evaluate(unseen, answers).words.accuracy:.1%} of the words are found")

    print()
    examples = [i for i, each in enumerate(answers) if 6 <= len(each) <= 14 and sum(w is not None for w in each) == 1]
    for i in examples[:10]:
        position = unseen[i].index(BLANK)
        guesses = "; ".join(f"{name}: {tagger.predict([unseen[i]])[0][position]}" for name, tagger in taggers.items())
        print(f"{' '.join(unseen[i])}\n    was: {answers[i][position]}; {guesses}")


if __name__ == "__main__":
    main()
