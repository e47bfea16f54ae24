"""Facts, questions and filler text: the data that the shipped model learns retrieval from.

A fact is a sentence with a number in it; its question names the key and is answered by the number alone.
"""

import random
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fact:
    key: str  # empty for the one pass key without a name
    number: str
    text: str
    question: str


# (fact, question): the first three are the formats that the model is promised to understand.
BARE = (
    "The pass key is {n}. Remember it. {n} is the pass key.",
    "What is the pass key?",
)
KEYED = [
    (
        "One of the special magic numbers for {k} is: {n}.",
        "What is the special magic number for {k} mentioned in the provided text?",
    ),
    ("The pass key of {k} is {n}.", "What is the pass key of {k}?"),
]
OTHER = [
    ("The code for {k} is {n}.", "What is the code for {k}?"),
    ("{k}: {n}.", "{k}?"),
    ("The number of {k} is {n}.", "What is the number of {k}?"),
    ("Remember that {k} has the number {n}.", "Which number has {k}?"),
]
NOISE = (
    "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. "
)
CONSONANTS, VOWELS = "bcdfghjklmnpqrstvwxz", "aeiouy"
UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def word_list(books: Path, least: int = 4) -> list[str]:
    """Lower-case words of 3 to 11 letters that the books use at least `least` times, in a fixed order."""
    counts: Counter[str] = Counter()
    for path in sorted(books.glob("*.txt")):
        counts.update(re.findall(r"\b[a-z]{3,11}\b", path.read_text(encoding="utf-8")))
    return sorted(w for w, c in counts.items() if c >= least)


def random_key(rng: random.Random, words: list[str]) -> str:
    kind = rng.random()
    if kind < 0.34:
        return "".join(rng.choices(UPPER, k=4))
    if kind < 0.42:
        return "".join(rng.choices(UPPER, k=rng.randint(3, 6)))
    if kind < 0.48:
        return "".join(rng.choices(CONSONANTS + VOWELS, k=rng.randint(4, 6)))
    if kind < 0.62:
        return rng.choice(words)
    if kind < 0.67:
        return rng.choice(words).capitalize()
    if kind < 0.96:
        return rng.choice(words) + "-" + rng.choice(words)
    return rng.choice(words) + " " + rng.choice(words)


def sibling_key(rng: random.Random, key: str, words: list[str]) -> str:
    """A key that shares most of `key`: the hard negative."""
    if "-" in key or " " in key:
        sep = "-" if "-" in key else " "
        a, b = key.split(sep, 1)
        return (a + sep + rng.choice(words)) if rng.random() < 0.5 else (rng.choice(words) + sep + b)
    letters = list(key)
    if rng.random() < 0.3:
        rng.shuffle(letters)
    else:
        i = rng.randrange(len(letters))
        letters[i] = rng.choice(UPPER if key[i].isupper() else CONSONANTS + VOWELS)
    return "".join(letters)


def random_number(rng: random.Random) -> str:
    digits = rng.choice((5, 6, 7))
    if rng.random() < 0.25:  # few different digits: a reader that looks for "what followed this digit" loses its place
        pool = rng.sample("0123456789", rng.randint(1, 3))
        number = "".join(rng.choices(pool, k=digits))
        if number[0] != "0":
            return number
    return str(rng.randrange(10 ** (digits - 1), 10**digits))


def fact(rng: random.Random, words: list[str], key: str | None = None, bare: bool = False) -> Fact:
    number = random_number(rng)
    if bare:
        return Fact("", number, BARE[0].format(n=number), BARE[1])
    key = key or random_key(rng, words)
    form = rng.choice(KEYED) if rng.random() < 0.85 else rng.choice(OTHER)
    return Fact(key, number, form[0].format(k=key, n=number), form[1].format(k=key))


def filler(rng: random.Random, books: list[str], words: list[str], length: int) -> str:
    """About `length` characters of text that holds no fact: mostly book pages, some of other kinds."""
    kind = rng.random()
    if kind < 0.86:
        book = rng.choice(books)
        start = rng.randrange(max(1, len(book) - length))
        return book[start : start + length]
    if kind < 0.90:
        return (NOISE * (length // len(NOISE) + 1))[:length]
    if kind < 0.96:  # word salad in sentences and lines
        out = []
        while sum(map(len, out)) < length:
            n = rng.randint(3, 14)
            s = " ".join(rng.choices(words, k=n)).capitalize()
            out.append(s + rng.choice([". ", ". ", ", and ", ".\n", "; "]))
        return "".join(out)[:length]
    out = []  # lists, dates and figures: digits that answer nothing
    while sum(map(len, out)) < length:
        w = rng.choice(words)
        out.append(
            rng.choice(
                [
                    f"{w.capitalize()} {rng.randint(1, 31)}, {rng.randint(1500, 2030)}. ",
                    f"{rng.randint(1, 99)}. {w} {rng.choice(words)}\n",
                    f"In {rng.randint(1500, 2030)} there were {rng.randint(2, 99999)} {w}s. ",
                    f"{w} = {rng.randint(0, 999)};\n",
                    f"| {w} | {rng.random():.4f} |\n",
                ]
            )
        )
    return "".join(out)[:length]


def document(rng, books, words, facts: list[Fact], length: int) -> tuple[str, list[list[tuple[int, int]]]]:
    """A text of about `length` characters with the facts at random places in random order.

    Returns the text and, for each fact, the spans (start, end) of its number in the text.
    """
    total = sum(len(f.text) + 1 for f in facts)
    room = max(0, length - total)
    cuts = sorted(rng.randint(0, room) for _ in facts)
    body = ""
    while len(body) < room:
        part = filler(rng, books, words, min(room - len(body), rng.randint(500, 6000)))
        body += part if part else " "
    order = list(range(len(facts)))
    rng.shuffle(order)
    spans: list[list[tuple[int, int]]] = [[] for _ in facts]
    out, last, size = [], 0, 0
    for cut, i in zip(cuts, order):
        # Mostly between words, as people insert things; now and then anywhere.
        if rng.random() < 0.95:
            space = body.find(" ", cut)
            cut = space if 0 <= space - cut < 40 else cut
        cut = max(cut, last)
        piece = body[last:cut] + rng.choice([" ", " ", "\n", "\n\n", ". "])
        out.append(piece)
        size += len(piece)
        f = facts[i]
        for m in re.finditer(rf"\b{f.number}\b", f.text):
            spans[i].append((size + m.start(), size + m.end()))
        tail = rng.choice(["", " ", "\n"])
        out.append(f.text + tail)
        size += len(f.text) + len(tail)
        last = cut
    out.append(body[last:])
    return "".join(out), spans
