"""Exact match and F1 as SQuAD's evaluation counts them (Rajpurkar et al. 2016)."""

import collections
import re
import string

PUNCTUATION = set(string.punctuation)


def normal(text):
    text = "".join(c for c in text.lower() if c not in PUNCTUATION)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def exact(answer, gold):
    return float(normal(answer) == normal(gold))


def f1(answer, gold):
    a, b = normal(answer).split(), normal(gold).split()
    same = sum((collections.Counter(a) & collections.Counter(b)).values())
    return 2 * same / (len(a) + len(b)) if same else float(a == b)
