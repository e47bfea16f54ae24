"""Single facts to be found again: a value of some kind under a key; also several values of one key, and several keys at once."""

import random

from marked import Question, Task

FIRST_NAMES = (
    "Ada Ahmed Alice Amara Anton Aisha Beatriz Boris Carmen Chen Clara Dieter Dmitri Elena Emre Fatima Felix Frida Gita Greta Hana Hugo "
    "Ines Ingrid Ivan Jamal Jonas Julia Kaito Karin Kwame Lars Leila Lena Luca Maeve Marco Maya Miguel Mina Nadia Nils Noor Olga Omar "
    "Paula Pedro Priya Rosa Samir Selma Sofia Tariq Tomas Uma Vera Viktor Wanda Yara Yusuf Zoe"
).split()
LAST_NAMES = (
    "Abara Becker Castillo Dahl Eriksen Fontaine Garcia Haddad Ivanova Jansen Kowalski Lindqvist Moreau Nakamura Okafor Petrov Quist "
    "Rossi Schmidt Tanaka Ueda Varga Weber Xu Yilmaz Zimmer Brandt Costa Duarte Engel Ferrari Gruber Holm Ito Jovanovic Klein"
).split()
MONTHS = "January February March April May June July August September October November December".split()
CURRENCIES = ["$", "€", "£", "USD ", "CHF "]
CONSONANTS, UPPER, HEX = "bcdfghjklmnprstvwz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789abcdef"


def digits(rng, n):
    """n digits, the first not 0; a quarter of them out of few different ones: a reader that looks for "what followed this digit"
    loses its place in such numbers."""
    pool = rng.sample("0123456789", rng.randint(1, 3)) if rng.random() < 0.25 else "0123456789"
    return rng.choice("123456789") + "".join(rng.choices(pool, k=n - 1))


def number(rng):
    """1 to 12 digits; with separators, decimals, a sign or a unit of money now and then."""
    n = digits(rng, rng.choice((1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 7, 8, 9, 10, 11, 12)))
    kind = rng.random()
    if kind < 0.2 and len(n) > 3:
        n = f"{int(n):,}".replace(",", rng.choice((",", ",", ".", " ", "'")))
    elif kind < 0.35:
        n += "." + "".join(rng.choices("0123456789", k=rng.randint(1, 4)))
    elif kind < 0.4:
        n = rng.choice(CURRENCIES) + n
    elif kind < 0.43:
        n = "-" + n
    return n


def name(rng):
    return f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"


def date(rng):
    d, m, y = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1700, 2039)
    month = MONTHS[m - 1]
    return rng.choice((f"{d} {month} {y}", f"{month} {d}, {y}", f"{y}-{m:02}-{d:02}", f"{d:02}/{m:02}/{y}", f"{month} {y}", f"{d} {month[:3]}"))


def code(rng):
    kind = rng.randrange(5)
    if kind == 0:
        return "-".join("".join(rng.choices(UPPER + "0123456789", k=rng.randint(2, 4))) for _ in range(rng.randint(2, 3)))
    if kind == 1:
        return "".join(rng.choices(UPPER, k=rng.randint(1, 3))) + rng.choice(("", "-", "/")) + digits(rng, rng.randint(2, 5))
    if kind == 2:
        return "".join(rng.choices(HEX, k=rng.choice((6, 8))))
    if kind == 3:
        return "-".join("".join(rng.choices(HEX, k=k)) for k in (8, 4, 4))
    return ".".join(str(rng.randint(0, 255)) for _ in range(4))


def clock(rng):
    return rng.choice((f"{rng.randint(0, 23)}:{rng.randint(0, 59):02}", f"{rng.randint(1, 12)}:{rng.randint(0, 59):02} {rng.choice(('am', 'pm', 'a.m.', 'p.m.'))}"))


def word(rng, words):
    return rng.choice(words) if rng.random() < 0.7 else f"{rng.choice(words)} {rng.choice(words)}"


def key(rng, words):
    kind = rng.random()
    if kind < 0.2:
        return rng.choice(words)
    if kind < 0.5:
        return f"{rng.choice(words)}-{rng.choice(words)}"
    if kind < 0.6:
        return f"{rng.choice(words)} {rng.choice(words)}"
    if kind < 0.75:
        return "".join(rng.choices(UPPER, k=rng.randint(3, 6)))
    if kind < 0.85:
        return name(rng)
    if kind < 0.92:
        return code(rng)
    return "".join(rng.choice(CONSONANTS) + rng.choice("aeiou") for _ in range(rng.randint(2, 3))).capitalize()


def keys(rng, words, n):
    """n different keys; half of the time of the hard kind: of two words out of a dozen, so that each shares a word with others."""
    if rng.random() < 0.5:
        few, joint = rng.sample(words, 12), rng.choice(("-", "-", " ", "_"))
        pairs = [a + joint + b for a in few for b in few if a != b]
        return rng.sample(pairs, n)
    out = set()
    while len(out) < n:
        out.add(key(rng, words))
    out = sorted(out)
    rng.shuffle(out)
    return out


# kind of value: (draw, [(fact, question)]); the plural of what is asked for, where several values make sense
FORMS = {
    "number": (
        lambda rng, words: number(rng),
        [
            ("One of the special magic numbers for {k} is: {v}.", "What is the special magic number for {k} mentioned in the provided text?"),
            ("The pass key of {k} is {v}.", "What is the pass key of {k}?"),
            ("The number of {k} is {v}.", "What is the number of {k}?"),
            ("{k}: {v}", "{k}?"),
            ("{k} = {v}", "What is {k} set to?"),
            ("Remember that {k} has the number {v}.", "Which number does {k} have?"),
            ("For {k} the reading was {v} at noon.", "What was the reading for {k}?"),
            ("The price of {k} has been fixed at {v} per unit.", "What does {k} cost?"),
            ("{k} holds at most {v} items.", "How many items does {k} hold?"),
        ],
        "numbers",
    ),
    "code": (
        lambda rng, words: code(rng),
        [
            ("The access code for {k} is {v}.", "What is the access code for {k}?"),
            ("One of the special magic uuids for {k} is: {v}.", "What is the special magic uuid for {k} mentioned in the provided text?"),
            ("Use {v} to unlock {k}.", "What unlocks {k}?"),
            ("The serial of {k} reads {v}; keep it.", "What is the serial of {k}?"),
            ("{k} can be reached at {v}.", "Where can {k} be reached?"),
        ],
        "codes",
    ),
    "word": (
        lambda rng, words: word(rng, words),
        [
            ("The secret word of {k} is {v}.", "What is the secret word of {k}?"),
            ("One of the special magic words for {k} is: {v}.", "What is the special magic word for {k} mentioned in the provided text?"),
            ("{k} is known for its {v}.", "What is {k} known for?"),
            ("Inside {k} there is a {v}.", "What is inside {k}?"),
        ],
        "words",
    ),
    "name": (
        lambda rng, words: name(rng),
        [
            ("The keeper of {k} is {v}.", "Who is the keeper of {k}?"),
            ("{v} is responsible for {k}.", "Who is responsible for {k}?"),
            ("{k} was designed by {v}.", "Who designed {k}?"),
            ("Questions about {k} go to {v}, who answers them.", "Who answers questions about {k}?"),
        ],
        "people",
    ),
    "date": (
        lambda rng, words: date(rng),
        [
            ("{k} opens on {v}.", "When does {k} open?"),
            ("The contract for {k} ends on {v}.", "When does the contract for {k} end?"),
            ("On {v} work on {k} began.", "When did work on {k} begin?"),
            ("{k} (last changed {v})", "When was {k} last changed?"),
        ],
        "dates",
    ),
    "time": (
        lambda rng, words: clock(rng),
        [("The train to {k} leaves at {v}.", "When does the train to {k} leave?"), ("{k} closes at {v} every day.", "At what time does {k} close?")],
        "times",
    ),
}
KINDS = ["number"] * 5 + ["code"] * 2 + ["word", "name", "date", "time"]
ASK_ALL = [
    "What are all the special magic {t} for {k} mentioned in the provided text?",
    "Which {t} belong to {k}?",
    "List all {t} of {k}.",
    "What are the {t} for {k}?",
]
TELL_ALL = ["One of the special magic {t} for {k} is: {v}.", "One of the {t} that belong to {k} is {v}.", "Among the {t} of {k} there is {v}."]


def single(rng, words, most=10):
    """Facts with keys of their own; each is asked for, and some that are not there."""
    task = Task("needle", [], [])
    n = rng.randint(2, most) if rng.random() < 0.9 else rng.randint(most, 4 * most)
    for k in (chosen := keys(rng, words, n + 2))[:n]:
        draw, forms, _ = FORMS[rng.choice(KINDS)]
        fact, question = rng.choice(forms)
        value, i = task.mark(draw(rng, words))
        task.facts.append(fact.format(k=k, v=value))
        task.questions.append(Question(question.format(k=k), [i]))
        if rng.random() < 0.15:  # the same question about a key without a fact
            task.questions.append(Question(question.format(k=rng.choice(chosen[n:]))))
    return task


def bare(rng, words):
    """The one pass key without a name, which may be said twice."""
    task = Task("needle", [], [])
    plain = number(rng)
    value, i = task.mark(plain)
    what = rng.choice(("pass key", "magic number", "secret number"))
    again = f" Remember it. {plain} is the {what}." if rng.random() < 0.5 else ""
    task.facts.append(f"The {what} is {value}.{again}")
    task.questions.append(Question(f"What is the {what}?", [i]))
    return task


def values(rng, words):
    """Several values of one key, among other keys with values."""
    task = Task("values", [], [])
    kind = rng.choice(("number", "number", "word", "code", "date"))
    draw, _, plural = FORMS[kind]
    tell = rng.choice(TELL_ALL)
    for k in keys(rng, words, rng.randint(1, 3)):
        marks = []
        for _ in range(rng.randint(2, 4)):
            value, i = task.mark(str(rng.randint(10**4, 10**7)) if kind == "number" else draw(rng, words))
            task.facts.append(tell.format(t=plural, k=k, v=value))
            marks.append(i)
        task.questions.append(Question(rng.choice(ASK_ALL).format(t=plural, k=k), marks, as_they_stand=True))
    return task


def queries(rng, words):
    """Several keys asked for in one question."""
    task = Task("values", [], [])
    kind = rng.choice(("number", "number", "word", "name"))
    draw, forms, plural = FORMS[kind]
    tell = rng.choice(TELL_ALL[:1] + [f for f, _ in forms[:2]])
    chosen = keys(rng, words, rng.randint(3, 6))
    marks = {}
    for k in chosen:
        value, marks[k] = task.mark(str(rng.randint(10**3, 10**7)) if kind == "number" else draw(rng, words))
        task.facts.append(tell.format(t=plural, k=k, v=value))
    for _ in range(2):
        asked = rng.sample(chosen, rng.randint(2, min(4, len(chosen))))
        listed = ", ".join(asked[:-1]) + rng.choice((" and ", ", and ")) + asked[-1]
        task.questions.append(Question(rng.choice(ASK_ALL).format(t=plural, k=listed), [marks[k] for k in asked]))
    return task


def draw(rng, words):
    return bare(rng, words) if rng.random() < 0.1 else single(rng, words)


def several(rng, words):
    return values(rng, words) if rng.random() < 0.6 else queries(rng, words)
