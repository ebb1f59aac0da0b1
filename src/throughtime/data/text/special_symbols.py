"""Symbols of a vocabulary of subwords that stand for no text."""

PAD, UNKNOWN, BEGIN, END = range(4)
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
"""Symbols in the order of the numbers above."""
