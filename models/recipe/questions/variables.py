"""Variable tracking, as RULER has it (Hsieh et al. 2024): which variables hold a value, over several assignments."""

from marked import Question, Task
from needles import UPPER

TELL = [("VAR {a} = {v}", "VAR {a} = VAR {b}"), ("{a} = {v}", "{a} = {b}"), ("Let {a} be {v}.", "Let {a} be the same as {b}.")]
ASK = [
    "Find all variables that are assigned the value {v} in the text above.",
    "Which variables hold the value {v}?",
    "What variables are equal to {v}?",
]


def draw(rng, words):
    """One to three chains of one to four hops; their lines are mixed, each line below the one it refers to."""
    task = Task("track", [], [], ordered=True)
    first, other = TELL[0] if rng.random() < 0.7 else rng.choice(TELL)
    letters = 5 if rng.random() < 0.7 else rng.randint(2, 4)
    taken, chains = set(), []
    for _ in range(rng.choice((1, 1, 2, 3))):
        value, lines, marks, before = str(rng.randint(10**3, 10**5)), [], [], None
        for hop in range(rng.choice((2, 3, 4, 5, 5))):
            variable = "".join(rng.choices(UPPER, k=letters))
            while variable in taken:
                variable = "".join(rng.choices(UPPER, k=letters))
            taken.add(variable)
            shown, i = task.mark(variable)
            lines.append((other if hop else first).format(a=shown, v=value, b=before))
            marks.append(i)
            before = variable
        chains.append(lines)
        task.questions.append(Question(rng.choice(ASK).format(v=value), marks, marks, as_they_stand=True))
    while chains:
        chain = rng.choice(chains)
        task.facts.append(chain.pop(0))
        chains = [c for c in chains if c]
    return task
