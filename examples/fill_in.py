"""Fill in a masked word in the middle of a sentence, with a bidirectional and a unidirectional network.

The tags of this tagger are words: every blank is tagged with its word, and the other words are inputs without a target.
The words after the blank help as much as those before it, and only a bidirectional network reads both.

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
WORDS = 300  # that may be masked: the most frequent ones
SHARE = 0.25  # of those that are masked
LONGEST = 30  # words of a training sentence


def mask_words(
    sentences: list[list[str]], vocabulary: set[str], random: np.random.Generator
) -> tuple[list[list[str]], list[list[str | None]]]:
    """Return sentences with blanks, and the words at the blanks; None elsewhere."""
    shown: list[list[str]] = []
    hidden: list[list[str | None]] = []
    for sentence in sentences:
        words = [word.lower() for word in sentence]
        blanks = [word in vocabulary and random.random() < SHARE for word in words]
        shown.append([BLANK if blank else word for word, blank in zip(sentence, blanks, strict=True)])
        hidden.append([word if blank else None for word, blank in zip(words, blanks, strict=True)])
    return shown, hidden


def main() -> None:
    """Train both networks, and print how often each predicts the word."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path, help="CoNLL-U file to train on")
    parser.add_argument("test", type=Path, help="CoNLL-U file to evaluate on")
    parser.add_argument("--preset", default="balanced", help="work for each network: fast, balanced or best")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    random = np.random.default_rng(options.seed)
    sentences = read_conll(options.train).words
    counts = Counter(word.lower() for sentence in sentences for word in sentence)
    frequent = [word for word, _ in counts.most_common(WORDS)]
    vocabulary = set(frequent)
    shown, hidden = mask_words([words for words in sentences if len(words) <= LONGEST], vocabulary, random)
    unseen, answers = mask_words(read_conll(options.test).words, vocabulary, random)
    targets = [word for sentence in answers for word in sentence if word is not None]
    print(f"{len(targets)} blanks; always '{frequent[0]}': {np.mean([w == frequent[0] for w in targets]):.1%}")

    taggers = {}
    for name, both in (("bidirectional", True), ("unidirectional", False)):
        tagger = tt.SequenceTagger(
            cell="gru",
            hidden_size=128,
            dropout=0.2,
            bidirectional=both,
            preset=options.preset,
            random_state=options.seed,
        )
        taggers[name] = tagger.fit(shown, hidden)
        print(f"{name}: {tagger.evaluate(unseen, answers).words.accuracy:.1%} of the words are correct")

    print()
    examples = [i for i, tags in enumerate(answers) if 6 <= len(tags) <= 14 and len(tags) - tags.count(None) == 1]
    for i in examples[:10]:
        position = unseen[i].index(BLANK)
        guesses = "; ".join(f"{name}: {tagger.predict([unseen[i]])[0][position]}" for name, tagger in taggers.items())
        print(f"{' '.join(unseen[i])}\n    was: {answers[i][position]}; {guesses}")


if __name__ == "__main__":
    main()
