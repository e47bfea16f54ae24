"""Questions that nothing answers, out of questions that something does: one thing in them is exchanged (as Rajpurkar et al. 2018
asked people to do for SQuAD 2.0). The passage is still about the right thing, and must not be answered from."""

import re

NAME = re.compile(r"(?<!^)\b[A-Z][\w'’-]+(?: [A-Z][\w'’-]+)*|\b\d[\d,.]*\d\b")
OPPOSITES = """first last|before after|largest smallest|oldest youngest|highest lowest|most least|more less|north south|east west|northern southern
eastern western|early late|earlier later|increase decrease|increased decreased|won lost|win lose|started ended|begin end|began ended|male female
men women|king queen|father mother|son daughter|brother sister|left right|above below|maximum minimum|best worst|longest shortest|inside outside
rise fall|allowed forbidden|with without|always never|majority minority|buy sell|bought sold|import export|arrived left|enemy ally|positive negative
upper lower|day night|summer winter|public private|rich poor|birth death|born buried|opened closed|joined left|supported opposed|included excluded"""
OTHER = {}
for pair in re.split(r"[|\n]", OPPOSITES):
    a, b = pair.split()
    OTHER.setdefault(a, b)
    OTHER.setdefault(b, a)


def impossible(rng, question, passage, elsewhere):
    """`question`, which `passage` answers, with a name, a number or a word of it exchanged so that it does not; None if nothing fits.

    `elsewhere`: names and numbers of other questions about the same document, which make the change hard to see.
    """
    choices = []
    for m in NAME.finditer(question):
        if m.group() in passage:
            choices.append((m.span(), m.group()))
    rng.shuffle(choices)
    for (a, b), old in choices[:2]:
        if old[0].isdigit():
            digits = [c for c in old if c.isdigit()]
            new = old
            while new == old:
                i = rng.randrange(1, len(old)) if len(digits) > 1 else 0
                new = old[:i] + rng.choice("0123456789") + old[i + 1 :] if old[i].isdigit() else old
        else:
            fit = [e for e in elsewhere if e != old and not e[0].isdigit() and e not in passage and old not in e and e not in question]
            if not fit:
                continue
            new = rng.choice(fit)
        if new not in passage:
            return question[:a] + new + question[b:]
    words = [(m.span(), OTHER[m.group()]) for m in re.finditer(r"\b[a-z]+\b", question) if m.group() in OTHER]
    if words:
        (a, b), new = rng.choice(words)
        if not re.search(rf"\b{new}\b", passage):
            return question[:a] + new + question[b:]
    return None


def names(question):
    return NAME.findall(question)
