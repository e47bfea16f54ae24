"""Documentation of invented programs, and what their users ask: man pages, references of settings and of functions, guides, tables of errors,
lists of questions and answers, READMEs, glossaries, accounts of what happens when something goes wrong.

    draw(rng, words) -> Task
"""

import re

from marked import CLOSE, OPEN, Question, strip
from software_facts import SAFE, THEMES, TITLES
from software_writer import Writer, cap

# Events of the bank, by what the text of a document must not speak of if they are to be asked for without an answer.
HINTS = (
    "disk|space|room",
    "connection|network|line",
    "power|crash",
    "lock|process|instance",
    "config|setting",
    "config|setting",
    "password|sign|account",
    "checksum|damag|corrupt|quarantine",
    "clock",
    "certificate",
    "log",
    "permission|right|denied|read",
    "busy|request",
    "memory",
    "name|exist|both",
    "upgrade|update|version",
    "licence",
    "signal|interrupt|SIGINT",
    "UTF-8|encoding",
    "worker|crash",
)


def themes(w, least, most):
    chosen = w.rng.sample([x for x in sorted(THEMES) if x not in w.names], w.rng.randint(least, most))
    w.names |= set(chosen)
    return [w.section(w.rng.choice(TITLES[x]), w.about(x, w.rng.randint(2, 5))) for x in chosen]


def man(w):
    r, out = w.rng, []
    w.style, w.level = "flag", r.choice(("upper", "upper", "upper", "## ", "plain"))
    w.word()
    t = w.base["t"]
    out += [
        w.section("Name", w.what(True)),
        w.section("Synopsis", f"{t} [options] [{w.base['item'].replace(' ', '-')}...]"),
        w.section("Description", w.prose(r.randint(3, 9))),
    ]
    out.append(w.section("Options", w.options_section(r.randint(4, 16), r.choice(("man", "man", "help")))))
    more = [
        ("Exit status", w.exits),
        ("Environment", w.variables),
        ("Files", w.files),
        ("Signals", w.signals),
        ("Notes", lambda: w.prose(2)),
        ("Commands", w.commands),
        ("History", w.history),
        ("Modes", w.kinds),
        ("Bugs and authors", lambda: w.about("help", 3)),
    ]
    keep = sorted(r.sample(range(len(more)), r.randint(1, 6)))
    out += [w.section(more[i][0], more[i][1]()) for i in keep]
    return f"{t.upper()}({r.choice('158')})\n\n" if r.random() < 0.6 else "", out


def settings(w):
    r = w.rng
    w.style = "key"
    w.word()
    out = [w.filler()] if r.random() < 0.6 else []
    groups = r.sample(("General", "Network", "Storage", "Logging", "Limits", "Security", "Advanced", "Behaviour"), r.randint(1, 4))
    layout = r.choice(("blocks", "table", "sample", "bullets"))
    out += [w.section(g, w.options_section(r.randint(3, 7), layout)) for g in groups]
    if r.random() < 0.5:
        out.append(w.section("Notes", w.prose(r.randint(2, 6))))
    if r.random() < 0.35:
        out.append(w.section("Environment variables", w.variables()))
    if r.random() < 0.35:
        out.append(w.section("Related files", w.files()))
    if r.random() < 0.2:
        out.append(w.section("Changes", w.history()))
    return r.choice(("Configuration of {T}", "{T}: configuration reference", "{T} settings", "# {t}.conf", "Reference: settings of {T} {ver}")), out


def guide(w):
    r = w.rng
    out = [w.what() + " " + w.filler()]
    steps = w.procedure()
    parts = [
        ("Overview", lambda: w.prose(r.randint(2, 5))),
        (steps[0], lambda: steps[1]),
        (r.choice(("Configuration", "Settings", "Configuring {T}")), lambda: w.options_section(r.randint(3, 6))),
        (r.choice(("Concepts", "What you can choose", "Basics")), w.kinds),
        (r.choice(("Troubleshooting", "When things go wrong", "Problems")), lambda: w.errors(r.randint(3, 5)) if r.random() < 0.5 else w.prose(3)),
        ("Good to know", lambda: w.prose(r.randint(3, 6))),
        ("More choices", w.kinds),
        ("Where things are", w.files),
        ("Words", lambda: w.glossary(4)),
        ("Editions", w.editions),
        ("Supported systems", w.systems),
        ("Commands", w.commands),
        ("Version history", w.history),
    ]
    keep = sorted(r.sample(range(1, len(parts)), r.randint(2, 7)))
    keep = sorted({*keep, 1}) if r.random() < 0.8 else keep
    out += themes(w, 1, 2) + [w.section(parts[i][0], parts[i][1]()) for i in keep]  # in this order: headings are numbered as they are made
    out += themes(w, 0, 2)
    return r.choice(("{T} User Guide", "# {T} guide", "Using {T}", "{T} – handbook for administrators", "Working with {T}")), out


def api(w):
    r = w.rng
    out = [
        w.what()
        + " "
        + r.choice(("This page describes its functions.", "The library has the following functions.", "Programs talk to it by these calls."))
    ]
    out.append(w.section("Functions", w.functions(r.randint(3, 8))))
    if r.random() < 0.5:
        out.append(w.section("Remarks", w.prose(r.randint(2, 5))))
    if r.random() < 0.3:
        out.append(w.section("Changes", w.history()))
    if r.random() < 0.3:
        out.append(w.section("Terms", w.glossary(3)))
    return r.choice(("lib{t} reference", "{T} API", "# {T}: programming interface", "Functions of {T}")), out


def failures(w):
    r = w.rng
    out = [w.what()] if r.random() < 0.6 else []
    kind = r.randrange(3)
    if kind == 0:
        out.append(w.section("Errors", w.errors(r.randint(5, 10))))
    elif kind == 1:
        out.append(w.event_rows(r.randint(5, 9)))
    else:
        out += [
            w.section("If something goes wrong", "\n\n".join(" ".join(w.event() for _ in range(r.randint(1, 3))) for _ in range(3))),
            w.section("Messages", w.errors(r.randint(3, 5))),
        ]
    for title, part in (("Exit codes", w.exits), ("Notes", lambda: w.prose(4)), ("Recovery", lambda: w.procedure()[1])):
        if r.random() < 0.45:
            out.append(w.section(title, part()))
    out += themes(w, 0, 1)
    return r.choice(
        ("{T}: error messages", "When {T} fails", "Troubleshooting {T}", "# Errors of {t} and what to do", "{T} in difficult situations")
    ), out


def questions(w):
    r = w.rng
    out = [w.faq(r.randint(4, 9))]
    if r.random() < 0.4:
        out.append(w.section("Options that are often asked for", w.options_section(r.randint(2, 5))))
    if r.random() < 0.4:
        out.append(w.section("Which one should I take?", w.kinds()))
    out += themes(w, 0, 2)
    return r.choice(("{T} FAQ", "Frequently asked questions about {T}", "# FAQ", "Questions and answers: {T}")), out


def readme(w):
    r = w.rng
    w.level = r.choice(("## ", "## ", "under", "plain"))
    out = [w.what() + " " + w.filler()]
    by = {f[0]: f for f in w.facts}
    for title, topics in (
        ("Install", ("install", "build", "memory")),
        ("Usage", ("list", "status", "undo", "root")),
        ("Licence and support", ("licence", "bugs", "docs", "maintainer")),
        ("Status", ("windows", "support")),
    ):
        chosen = [t for t in topics if r.random() < 0.6]
        w.facts = [f for f in w.facts if f[0] not in chosen]
        if chosen:
            out.append(w.section(title, " ".join(w.say(r.choice(by[t][1]), by[t][2]) for t in chosen)))
    for title, part in (
        ("Quick start", lambda: w.procedure()[1]),
        ("Options", lambda: w.options_section(r.randint(3, 6))),
        ("Features", w.kinds),
        ("Behaviour", lambda: w.prose(r.randint(3, 6))),
        ("If it fails", lambda: w.errors(3)),
        ("Commands", w.commands),
        ("Supported systems", w.systems),
        ("Changes", w.history),
        ("Editions", w.editions),
    ):
        if r.random() < 0.45:
            out.insert(r.randint(1, len(out)), w.section(title, part()))
    return "# {t}" if r.random() < 0.7 else "{T}", out


def words_of(w):
    r = w.rng
    out = [w.glossary(r.randint(5, 9))]
    for title, part in (("Kinds", w.kinds), ("More", w.kinds), ("Files", w.files), ("Commands", w.commands), ("Notes", lambda: w.prose(5))):
        if r.random() < 0.5:
            out.append(w.section(title, part()))
    return r.choice(("{T} glossary", "Terms used in {T}", "# Glossary", "Vocabulary of {T}")), out


KINDS = ((man, 4), (settings, 3.5), (guide, 4), (api, 2), (failures, 2.5), (questions, 2), (readme, 2.5), (words_of, 1))


def draw(rng, words):
    w = Writer(rng, words)
    title, parts = rng.choices([k for k, _ in KINDS], [n for _, n in KINDS])[0](w)
    title = w.fill(title, w.env())
    if rng.random() < 0.55:
        parts += themes(w, 1, 1 + rng.randint(0, len(THEMES) - 1 - len(w.names & set(THEMES))))
    text = (title + "\n\n" if title and not title.endswith("\n") else title) + "\n\n".join(p for p in parts if p)
    return finish(w, text)


def finish(w, text):
    """Some of the questions, one for most marks; marks that nobody asks for are taken out of the text."""
    rng, task = w.rng, w.task
    plain = strip(text)
    near, w.open = w.open, []  # what other parts would lead one to ask, before what nothing speaks of
    for i, e in w.events:
        if i is None or not re.search(HINTS[i], plain, re.I):
            w.open.append(w.fill(rng.choice(e.asks), w.env()))
    for o in rng.sample(w.options, min(6, len(w.options))):
        if o.about not in w.names:
            asks = [q for q in o.which if "{opt}" in q]
            w.open += [w.fill(q, w.env()) for q in rng.sample(asks, min(1, len(asks)))]
    for topic, _, asks in w.facts:
        if topic in SAFE:
            w.open.append(w.fill(rng.choice(asks[rng.choice([x for x in asks if x])]), w.env()))
    there = {ord(c) - OPEN for c in text if OPEN <= ord(c) < CLOSE}
    w.asked = [(q, i) for q, i in w.asked if i in there]  # a part that was made may have been left out
    rng.shuffle(w.asked)
    most, chosen, seen, used = rng.randint(6, 14), [], set(), set()
    for again in (0, 1):
        for q, i in w.asked:
            if len(chosen) < most and q not in seen and (i not in used or again or rng.random() < 0.1):
                chosen.append(Question(q, [i], [i]))
                seen.add(q)
                used.add(i)
    for x in (near, w.open):
        rng.shuffle(x)
    w.open = [(near if near and rng.random() < 0.65 else w.open or near).pop() for _ in range(min(6, len(near + w.open)))]
    none = min(len(w.open), sum(rng.random() < 0.13 for _ in chosen))
    answered = {q for q, _ in w.asked}
    blank = [q for q in dict.fromkeys(cap(q) for q in w.open) if q not in answered][:none]
    for k, q in enumerate(blank):
        chosen[k] = Question(q)  # in the place of others, which stand in random order
    task.facts, task.questions = [text], chosen
    task.prune()
    rng.shuffle(chosen)
    return task
