"""Documents made of other text with generated facts in it, and questions about these.

    document(rng, words, text) -> Document

Everything comes from `rng`: the same seed makes the same documents.
"""

from dataclasses import dataclass

import changes
import contracts
import devices
import layout
import needles
import papers
import records
import software
import tables
import variables
import worlds
from marked import renumbered, spans

# kind: (draw, weight)
KINDS = {
    "needle": (needles.draw, 5),
    "values": (needles.several, 3),
    "track": (variables.draw, 2),
    "world": (worlds.draw, 2.5),
    "table": (tables.draw, 1.5),
    "contract": (contracts.draw, 2.5),
    "paper": (papers.draw, 2.5),
    "change": (changes.draw, 2.5),
    "software": (software.draw, 3.5),
    "device": (devices.draw, 2.5),
    "record": (records.draw, 2.5),
}


@dataclass
class Asked:
    """A question; spans (start, end) of its answers in the text, in the order in which they are said (none: there is no answer), and of
    what else has to be read."""

    text: str
    answers: list[tuple[int, int]]
    support: list[tuple[int, int]]
    kind: str


@dataclass
class Document:
    text: str
    questions: list[Asked]


def scatter(rng, facts, text, together):
    """`facts` in their order at random places of `text`, mostly between words; all at one place if `together`."""
    cuts = sorted(rng.randrange(len(text) + 1) for _ in facts)
    if together:
        cuts = [cuts[len(cuts) // 2]] * len(cuts)
    out, last = [], 0
    for cut, fact in zip(cuts, facts):
        if cut != last:
            space = text.find(" ", cut)
            cut = space if 0 <= space - cut < 40 and rng.random() < 0.97 else cut
        cut = max(cut, last)
        out += [text[last:cut], rng.choice((" ", " ", "\n", "\n\n")) if cut else "", fact, rng.choice(("", " ", "\n", "\n\n"))]
        last = cut
    return "".join(out) + text[last:]


def interleave(rng, lists):
    """One list of all, each one's order kept."""
    out, lists = [], [list(x) for x in lists if x]
    while lists:
        out.append(rng.choice(lists).pop(0))
        lists = [x for x in lists if x]
    return out


def document(rng, words, text, kinds=None, noise=0.3):
    """Facts of one or two tasks in `text`, of `kinds` {kind: weight}; a share of `noise` of the tasks is laid out as people's files are."""
    kinds = kinds or {kind: weight for kind, (_, weight) in KINDS.items()}
    tasks, facts, base = [], [], 0
    # Two of one kind could contradict each other.
    for kind in dict.fromkeys(rng.choices(list(kinds), list(kinds.values()), k=2 if rng.random() < 0.2 else 1)):
        task, own = KINDS[kind][0](rng, words), []
        messy = rng.random() < noise  # a document's facts are mostly written alike
        for fact in task.facts:
            if messy and rng.random() < 0.8:
                fact = layout.noisy(rng, fact, task.rows)
                fact = fact if task.rows else rng.choice(("", "\n")) + fact + rng.choice(("", "\n"))
            own.append(renumbered(f"\n\n{fact}\n\n" if task.rows else fact, base))
        if not task.ordered:
            rng.shuffle(own)
        tasks.append((task, base))
        facts.append(own)
        base += task.marks
    text = scatter(rng, interleave(rng, facts), text, rng.random() < (0.3 if tasks[0][0].ordered else 0.1))
    if rng.random() < noise * 0.3:
        rows = any(task.rows for task, _ in tasks)
        text = rng.choice((layout.crlf, layout.double) if rows else (layout.crlf, layout.wrap, layout.double))(rng, text)
    plain, where = spans(text)
    asked = []
    for task, base in tasks:
        for q in task.questions:
            answers = [where[i + base] for i in q.answers]
            if q.as_they_stand:
                answers.sort()
            support = [where[i + base] for i in q.support]
            asked.append(Asked(q.text, answers, support, task.kind))
    return Document(plain, asked)
