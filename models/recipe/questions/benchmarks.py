"""Question sets for measuring, as `ramba evaluate` reads them: BABILong's tasks, needles in RULER's wording, layouts, paragraphs.

    python benchmarks.py --babi FOLDER --squad squad.json.xz --wiki hotpot.json.xz --train BOOKS --test BOOKS --out OUT

FOLDER holds bAbI's tests (en, v1.2; qa1_single-supporting-fact_test.txt and so on). For measuring only. What a line of JSON holds is read as a document of its own.
"""

import argparse
import json
import lzma
import random
import re
import uuid
from pathlib import Path

import layout
from marked import CLOSE, OPEN, strip
from needles import FIRST_NAMES, LAST_NAMES, MONTHS, UPPER

TASKS = ["qa1_single-supporting-fact", "qa2_two-supporting-facts", "qa3_three-supporting-facts", "qa4_two-arg-relations", "qa5_three-arg-relations"]
DOZEN = "harbor lantern copper meadow river stone window garden thunder hollow secret bridge".split()
LAYOUTS = ["plain", "wrap", "crlf", "nbsp", "double", "indent", "quote", "bullet", "markdown", "html", "upper"]
SEVERAL = {"values", "queries", "track"}  # all answers are wanted: RULER's form


def babilong(text, rng, count):
    """Every question with the facts before it, as BABILong has them; `support` counts the facts that the answer rests on."""
    samples = []
    for line in text.strip().split("\n"):
        number, rest = line.replace("|", "\t").split(" ", 1)  # some copies have bars for tabs
        if number == "1":
            facts, at = [], {}
        if "\t" not in rest:
            at[int(number)] = len(facts)
            facts.append(rest.strip())
            continue
        question, answer, needed = rest.split("\t")
        support = [at[int(n)] for n in needed.split()]
        samples.append({"input": "\n\n".join(facts), "question": question.strip(), "target": answer, "support": support})
    return [samples[i] for i in sorted(rng.sample(range(len(samples)), count))]


def word_pairs(rng, words, count):
    pairs = set()
    while len(pairs) < count:
        pairs.add(f"{rng.choice(words)}-{rng.choice(words)}")
    pairs = sorted(pairs)
    rng.shuffle(pairs)
    return pairs


def draw(rng, kind, words):
    if kind == "number":
        return str(rng.randint(10**6, 10**7 - 1))
    return word_pairs(rng, words, 1)[0] if kind == "word" else str(uuid.UUID(int=rng.getrandbits(128), version=4))


def tell(kind, key, value):
    return f"One of the special magic {kind}s for {key} is: {value}."


def ask(kind, key):
    return f"What is the special magic {kind} for {key} mentioned in the provided text?"


def ask_all(key):
    return f"What are all the special magic numbers for {key} mentioned in the provided text?"


def document(facts, questions):
    return {"document": "\n\n".join(facts), "questions": [{"question": q, "answers": a} for q, a in questions]}


def needles(rng, words):
    """{name: documents}, and other needles to hide them in."""
    sets, keys = {}, word_pairs(rng, words, 8000)
    for kind in ("number", "word", "uuid"):
        facts = {keys.pop(): draw(rng, kind, words) for _ in range(100)}
        sets[f"single-{kind}"] = [document([tell(kind, k, v) for k, v in facts.items()], [(ask(kind, k), [v]) for k, v in facts.items()])]
    facts = {draw(rng, "uuid", words): draw(rng, "uuid", words) for _ in range(100)}
    sets["multikey"] = [document([tell("uuid", k, v) for k, v in facts.items()], [(ask("uuid", k), [v]) for k, v in facts.items()])]
    # Four values a key, the values of one key far from each other.
    sets["values"] = []
    for _ in range(2):
        facts = {keys.pop(): [draw(rng, "number", words) for _ in range(4)] for _ in range(25)}
        told = [tell("number", k, v) for k, vs in facts.items() for v in vs]
        rng.shuffle(told)
        sets["values"].append(document(told, [(ask_all(k), v) for k, v in facts.items()]))
    facts, asked = {keys.pop(): draw(rng, "number", words) for _ in range(100)}, []
    for _ in range(50):
        four = rng.sample(sorted(facts), 4)
        asked.append((ask_all(", ".join(four[:-1]) + ", and " + four[-1]), [facts[k] for k in four]))
    sets["queries"] = [document([tell("number", k, v) for k, v in facts.items()], asked)]
    # One chain of four hops a document.
    sets["track"] = []
    for _ in range(25):
        names, value = ["".join(rng.choices(UPPER, k=5)) for _ in range(5)], str(rng.randint(10000, 99999))
        chain = [f"VAR {names[0]} = {value}"] + [f"VAR {b} = VAR {a}" for a, b in zip(names, names[1:])]
        sets["track"].append(document(chain, [(f"Find all variables that are assigned the value {value} in the text above.", names)]))
    pairs = [f"{a}-{b}" for a in DOZEN for b in DOZEN if a != b]
    rng.shuffle(pairs)
    facts = {k: draw(rng, "number", words) for k in pairs[:64]}
    sets["hard"] = [document([f"The pass key of {k} is {v}." for k, v in facts.items()], [(f"What is the pass key of {k}?", [v]) for k, v in facts.items()])]
    other = "\n\n".join(tell("number", keys.pop(), draw(rng, "number", words)) for _ in range(min(len(keys), 6000)))
    return sets, other


# (fact, question): everyday wording; each has a value of its own kind.
FORMS = [
    ("The rent for {k} is {money} a month.", "How much is the rent for {k}?"),
    ("{k} was opened to the public on {date}.", "When was {k} opened to the public?"),
    ("The key to {k} is kept by {name}.", "Who keeps the key to {k}?"),
    ("The train to {k} leaves from platform {small} at {clock}.", "At what time does the train to {k} leave?", "clock"),
    ("{k} has room for {count} visitors.", "How many visitors does {k} have room for?"),
    ("For repairs at {k}, call {phone}.", "What number should one call for repairs at {k}?"),
    ("{name} has been head of {k} since {year}.", "Who is the head of {k}?", "name"),
    ("The insurance for {k} expires on {date}.", "When does the insurance for {k} expire?"),
    ("The bridge at {k} can carry {count} tonnes.", "How many tonnes can the bridge at {k} carry?"),
    ("The roof of {k} was rebuilt in {year} by {name}.", "Who rebuilt the roof of {k}?", "name"),
    ("{k} lies {count} metres above the sea.", "How high above the sea does {k} lie?"),
    ("Visitors to {k} pay {money} at the gate.", "What do visitors to {k} pay?"),
    ("{name} painted the view of {k} in {year}.", "In what year was the view of {k} painted?", "year"),
    ("The alarm of {k} is switched off with the code {code}.", "What is the code for the alarm of {k}?"),
    ("The meeting about {k} was moved to {date}.", "When is the meeting about {k}?"),
]
SORTS = "Mill House Tower Farm Library Station Harbour School Museum Theatre Garden Bridge Chapel Inn Market".split()


def value(rng, kind):
    return {
        "money": lambda: f"{rng.choice('$€£')}{rng.randint(101, 9999):,}", "date": lambda: f"{rng.randint(1, 28)} {rng.choice(MONTHS)} {rng.randint(1900, 2030)}",
        "name": lambda: f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}", "clock": lambda: f"{rng.randint(1, 23)}:{rng.randint(10, 59)}",
        "count": lambda: str(rng.randint(13, 4999)), "phone": lambda: f"{rng.randint(200, 999)}-{rng.randint(1000, 9999)}",
        "year": lambda: str(rng.randint(1700, 2020)), "code": lambda: "".join(rng.choices(UPPER, k=2)) + f"-{rng.randint(1000, 9999)}", "small": lambda: str(rng.randint(1, 9)),
    }[kind]()


def everyday(rng, sentences):
    """Marked paragraphs, a fact between two sentences of a book in each, with a question and its answer."""
    names = sorted({f"{n} {s}" for n in LAST_NAMES for s in SORTS})
    out = []
    for i, k in enumerate(rng.sample(names, 150)):
        fact, question, *which = FORMS[i % len(FORMS)]
        kinds = [x for x in re.findall(r"{(\w+)}", fact) if x != "k"]
        values = {x: value(rng, x) for x in kinds}
        answer = values[which[0] if which else kinds[-1]]
        shown = {x: layout_mark(v) if v == answer else v for x, v in values.items()}
        before, after = rng.sample(sentences, 2)
        told = fact.format(k="the " + k, **shown)
        unit = re.search(f"{chr(CLOSE)} (\\w+)", told)  # "40 tonnes" is as right as "40"
        answers = [answer] + ([f"{answer} {unit.group(1)}"] if unit and "count" in kinds else [])
        out.append((f"{before} {told} {after}", question.format(k="the " + k), answers))
    return [(p[0].upper() + p[1:], q, a) for p, q, a in out]


def layout_mark(text):
    return f"{chr(OPEN)}{text}{chr(CLOSE)}"


def laid_out(kind, rng, paragraphs):
    change = getattr(layout, kind, lambda rng, text: text)
    wrapped = ("crlf", "indent", "quote")  # nothing to be seen on a single line
    text = [change(rng, layout.wrap(rng, p) if kind in wrapped else p) for p in paragraphs]
    return strip(("\r\n\r\n" if kind == "crlf" else "\n\n").join(text))


def marked(paragraph, answers):
    """Marks around every place of the answers, the longer ones first."""
    found = sorted(set(answers), key=len, reverse=True)
    return re.sub("|".join(map(re.escape, found)), lambda m: layout_mark(m.group()), paragraph) if found else paragraph


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("babi", "squad", "wiki", "train", "test", "out"):
        p.add_argument("--" + name, type=Path, required=True)
    o = p.parse_args()
    rng = random.Random(18)
    dump = lambda name, sets: (o.out / f"{name}.json").write_text(json.dumps(sets))
    for n, task in enumerate(TASKS, 1):
        rows = babilong((o.babi / f"{task}_test.txt").read_text(), random.Random(n), 100)
        (o.out / f"qa{n}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    prose = "\n".join(f.read_text() for f in sorted(o.test.glob("*.txt")))
    counts = {}
    for w in re.findall(r"\b[a-z]{4,9}\b", prose):
        counts[w] = counts.get(w, 0) + 1
    words = sorted(w for w, n in counts.items() if 4 <= n <= 80)
    sets, other = needles(rng, words)
    for name, documents in sets.items():
        if name not in SEVERAL:
            dump(name, documents)
            continue
        asked = [(d["document"], q) for d in documents for q in d["questions"]]
        lines = [json.dumps({"input": text + "\n" + q["question"], "outputs": q["answers"]}) for text, q in asked]
        (o.out / f"{name}.jsonl").write_text("\n".join(lines))
    (o.out / "needles.txt").write_text(other)
    flat = " ".join(prose.split())
    sentences = [s for s in re.split(r"(?<=[a-z][.!?]) (?=[A-Z])", flat) if 60 < len(s) < 160 and "_" not in s][:20000]
    facts = everyday(rng, sentences)
    for kind in LAYOUTS:
        text = laid_out(kind, random.Random(5), [f for f, _, _ in facts])
        dump(f"facts-{kind}", [{"document": text, "questions": [{"question": q, "answers": a} for _, q, a in facts]}])
    dev = json.load(lzma.open(o.squad))["dev"]
    texts = lambda answers: sorted({a if isinstance(a, str) else a[0] for a in answers})
    asked = [(i, q, texts(a)) for i, (paragraph, qs) in enumerate(x for _, ps in dev for x in ps) for q, a, *_ in qs]
    paragraphs = [text for _, ps in dev for text, _ in ps]
    picked = sorted(rng.sample(asked, 500))
    alone = {}
    for i, q, a in picked:
        alone.setdefault(i, []).append({"question": q.strip(), "answers": a})
    dump("alone", [{"document": paragraphs[i], "questions": qs} for i, qs in alone.items()])
    picked = sorted(random.Random(2).sample(asked, 200))
    shown = [marked(text, [a for j, _, answers in picked if j == i for a in answers]) for i, text in enumerate(paragraphs)]
    for kind in LAYOUTS:
        text = laid_out(kind, random.Random(6), shown)
        dump(f"squad-{kind}", [{"document": text, "questions": [{"question": q, "answers": a} for _, q, a in picked]}])
    titles = {t.replace("_", " ").lower() for t, _ in dev}
    wiki = json.load(lzma.open(o.wiki))["paragraphs"]
    pairs = wiki.items() if isinstance(wiki, dict) else wiki
    own = {p[:80] for p in paragraphs}
    kept = [f"{t}\n\n{x}\n\n" for t, x in pairs if t.lower() not in titles and x[:80] not in own]
    (o.out / "wiki.txt").write_text("".join(kept))
    books = sorted(o.train.glob("*.txt"))
    cut = lambda text: text[len(text) // 4 :][: 10_000_000 // len(books)]
    (o.out / "books.txt").write_text("\n\n".join(cut(f.read_text()) for f in books))


if __name__ == "__main__":
    main()
