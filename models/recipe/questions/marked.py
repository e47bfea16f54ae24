"""Text with numbered spans marked in it, by pairs of private characters: it can be laid out anew without losing them."""

import re
from dataclasses import dataclass, field

OPEN, CLOSE, MOST = 0xE000, 0xE800, 0x800
MARK = re.compile("[\ue000-\uefff]")


@dataclass
class Question:
    """`answers`: marks of what is to be said, one after the other; none of them: the document holds no answer. `support`: marks of
    what has to be read on the way there."""

    text: str
    answers: list[int] = field(default_factory=list)
    support: list[int] = field(default_factory=list)
    as_they_stand: bool = False  # the answers are said in the order of the text, not in the one given


@dataclass
class Task:
    """Facts (marked text) that have to stand in a document in this order if `ordered`, and questions about them."""

    kind: str
    facts: list[str]
    questions: list[Question]
    ordered: bool = False
    rows: bool = False  # lines that must stay lines

    def __post_init__(self):
        self.marks = 0

    def mark(self, text):
        """`text` in marks of its own, and their number."""
        i = self.marks
        self.marks += 1
        assert i < MOST
        return f"{chr(OPEN + i)}{text}{chr(CLOSE + i)}", i

    def prune(self):
        """Takes the marks that no question needs out of the facts, and counts the others anew."""
        number = {i: n for n, i in enumerate(sorted({i for q in self.questions for i in q.answers + q.support}))}

        def anew(m):
            first = OPEN if ord(m.group()) < CLOSE else CLOSE
            i = ord(m.group()) - first
            return chr(first + number[i]) if i in number else ""

        self.facts = [MARK.sub(anew, fact) for fact in self.facts]
        for q in self.questions:
            q.answers, q.support = [number[i] for i in q.answers], [number[i] for i in q.support]
        self.marks = len(number)


def strip(text):
    return MARK.sub("", text)


def spans(text):
    """The text without marks, and {number: (start, end)}, the first place where it occurs more than once."""
    out, found, begun, length, last = [], {}, {}, 0, 0
    for m in MARK.finditer(text):
        out.append(text[last : m.start()])
        length += m.start() - last
        last = m.end()
        code = ord(m.group())
        if code < CLOSE:
            begun[code - OPEN] = length
        else:
            found.setdefault(code - CLOSE, (begun[code - CLOSE], length))
    out.append(text[last:])
    return "".join(out), found


def renumbered(text, base):
    return MARK.sub(lambda m: chr(ord(m.group()) + base), text)
