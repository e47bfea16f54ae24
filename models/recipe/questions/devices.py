"""Instructions for things: manuals of invented devices, recipes, how-tos, first-aid and safety sheets, assembly, game rules, explanations.

draw(rng, words) -> Task
"""

import devices_bank as bank
import devices_texts as texts
from devices_book import Book, lower, ordered, upper
from devices_sheets import first_aid, process, recipe, sheet

# Topics whose questions no other part of a manual answers: where they are missing, they may be asked in vain.
SAFE = set(
    "age storm holes toolong loop tongues estimate recall pacemaker maxload height ambient register band app "
    "men breakin eco delay update range night memory units card seal winter storebattery warranty excluded "
    "voids proof spares mail address trial disposal packing serial fixtime extend visit manualpdf issue leadlength gear business indoor".split()
)
RIVALS = ({"age", "smallparts"}, {"stock", "fuelmix"}, {"socket", "Fuse"}, {"stock", "Tank capacity"}, {"preheat", "Maximum temperature"})


def has(features, needs):
    return not needs or any(n in features for n in needs.split("/"))


class Manual:
    """A book about one device."""

    def __init__(self, rng, words):
        self.rng, self.book = rng, Book(rng, words)
        b = self.book
        device = rng.choice(list(bank.DEVICES))
        features, use, parts, load, unfit = bank.DEVICES[device]
        self.features = set(features.split())
        b.env |= dict(device=device, use=use, load=load, unfit=unfit)
        b.own = {"part": [p for p, _ in parts]}  # slots as they suit this device
        if "heavy" not in self.features:
            b.own["litres"] = lambda rng: f"{rng.randint(3, 95) / 10} {rng.choice(('litres', 'l', 'litres'))}"
            b.own["kg"] = bank.SLOTS["light"]
            b.own["size"] = lambda rng: " x ".join(str(rng.randint(5, 48)) for _ in range(3)) + " cm"
        if "water" in self.features:
            b.own["hot"] = bank.temperature(60, 95)
        common = [p for f in features.split() for p in bank.COMMON_PARTS.get(f, ())]
        b.parts = list(parts) + rng.sample(common, min(len(common), rng.randint(1, 4)))
        rng.shuffle(b.parts)
        self.signals = [s for s in bank.SIGNALS if has(self.features, s[0])]
        rng.shuffle(self.signals)

    def pick(self, bank_, low, high, key=1):
        fit = [x for x in bank_ if has(self.features, x[key])]
        return self.rng.sample(fit, min(len(fit), self.rng.randint(low, high)))

    def facts(self, section, low=2, high=6):
        b = self.book
        items = []
        for topic, _, statements, questions in self.pick(bank.FACTS[section], low, high):
            if topic in b.topics or any(topic in r and r & b.topics for r in RIVALS):
                continue
            b.topics.add(topic)
            items.append(b.say(self.rng.choice(statements), questions))
        if self.rng.random() < 0.45:
            b.add(b.fill(" ".join(self.rng.sample(texts.FILLERS, self.rng.randint(1, 3))), b.env_of()))
        b.add(b.listed(items))

    def parts_(self):
        rng, b = self.rng, self.book
        numbers = list(range(1, len(b.parts) + 1))
        if rng.random() < 0.2:
            numbers = sorted(rng.sample(range(1, 30), len(numbers)))
        purpose, rows = rng.random() < 0.7, []
        for n, (part, does) in zip(numbers, b.parts):
            env = b.env_of(part=part, n=n, does=does)
            told = ("What is part {n}?", "What does number {n} in the drawing show?", "Which part has the number {n}?", "what is no. {n}")
            if purpose and rng.random() < 0.5:  # asked by what it does
                told = ("Which part {does}?", "What is the part called that {does}?", "What {does}?")
            name = b.span(part, told, env)
            number = b.span(str(n), ("Which number in the picture is the {part}?", "What is the number of the {part}?", "{Part}: which number?"), env)
            task = (
                b.span(does, ("What is the {part} for?", "What does the {part} do?", "What do I need the {part} for?", "purpose of the {part}"), env)
                if purpose
                else ""
            )
            rows.append((number, name, task))
        b.vain.append((("What is part {n}?", "What does number {n} in the drawing show?"), b.env_of(n=numbers[-1] + rng.randint(1, 4))))
        form = rng.choice(("{n} {p}{d}", "({n}) {p}{d}", "{n}. {p}{d}", "{n} – {p}{d}", "No. {n}: {p}{d}", "{n}\t{p}{d}"))
        link = rng.choice((": {}", " ({})", ", which {}", " – {}"))
        b.add("\n".join(form.format(n=n, p=p, d=link.format(t) if t else "") for n, p, t in rows))

    def steps(self):
        b = self.book
        steps = [b.fill(s, b.env_of()) for _, s in self.pick(bank.STEPS, 4, 9, key=0)]
        ordered(b, steps, "setting it up")

    def signal_rows(self, signs, low, high, about, reverse):
        """Rows (sign, meaning, remedy); signs: (as told, as asked)."""
        rng, b = self.rng, self.book
        n = min(rng.randint(low, high), len(self.signals), len(signs))
        chosen, self.signals = self.signals[:n], self.signals[n:]
        rows = []
        for (told, asked), (_, meaning, remedy) in zip(rng.sample(signs, n), chosen):
            env = b.env_of(sign=asked, meaning=meaning)
            remedy = b.fill(remedy, env)
            rows.append((b.span(told, reverse, env), b.span(meaning, about[0], env), b.span(remedy, about[1], env)))
        return rows

    def lights(self):
        rng, b = self.rng, self.book
        one_colour = rng.random() < 0.5  # each colour once: asked without its rhythm
        signs = []
        for colour in bank.COLOURS:
            for told, rhythm in ((s[1], s[0]) for s in (rng.sample(bank.STATES, 1) if one_colour else bank.STATES)):
                signs.append((f"{upper(colour)}, {told}", f"{colour} light" if one_colour else f"{colour} light {rhythm}"))
        if one_colour:
            about = (
                ("What does the {sign} mean?", "The {sign} is on, why?", "what is the {sign} for", "Why do I see a {sign}?"),
                ("What do I do when I see the {sign}?", "The {sign} has come on. What now?"),
            )
        else:
            about = (
                ("What does it mean when the {sign}?", "Why is it that the {sign}?", "the {sign} - meaning?"),
                ("What should I do when the {sign}?", "The {sign}, what must I do?"),
            )
        rows = self.signal_rows(signs, 3, 7, about, ("Which light tells me: {meaning}?", 'What signal does the lamp give for "{meaning}"?'))
        text = " ".join(r[0] for r in rows).lower()
        for colour in bank.COLOURS:
            if colour not in text:
                b.vain.append(((f"What does the {colour} light mean?", f"The {colour} lamp is on. What does this mean?"), b.env_of()))
        self.signal_table(("Lamp", "Meaning", "What to do"), rows)

    def signal_table(self, head, rows):
        b, rng = self.book, self.rng
        if rng.random() < 0.5:
            b.add(b.table(list(head), [list(r) for r in rows]))
        else:
            form = rng.choice(("{}: {}. {}.", "{} means: {}. {}.", "{} – {}. {}.", "{} = {} ({})", "Signal: {}\nMeaning: {}\nRemedy: {}"))
            b.add("\n".join(form.format(*r) for r in rows))

    def beeps(self):
        b = self.book
        signs = [
            ("One short beep", "one short beep"),
            ("Two beeps", "two beeps"),
            ("Three beeps", "three beeps"),
            ("Four beeps", "four beeps"),
            ("Five beeps", "five beeps"),
            ("One long tone", "one long tone"),
            ("Continuous tone", "a continuous tone"),
        ]
        about = (
            ("What is meant by {sign}?", "Why do I hear {sign}?", "{mine} gives {sign}. Why?", "{sign} - what's that?"),
            ("What must I do when I hear {sign}?", "I hear {sign}. What do I do?"),
        )
        rows = self.signal_rows(signs, 2, 5, about, ("What do I hear in this case: {meaning}?",))
        b.vain.append((("Why does {mine} beep {n} times?", "What do {n} beeps mean?"), b.env_of(n=self.rng.choice(("six", "seven", "eight", "ten")))))
        self.signal_table(("Sound", "Meaning", "Remedy"), rows)

    def codes(self):
        rng, b = self.rng, self.book
        self.signals.sort(key=lambda s: s[1] in bank.CALM)  # faults first
        form = rng.choice(("E{}", "F{:02}", "Err {}", "E-{:02}", "C{}", "H{:03}", "{:03}"))
        codes = [form.format(i) for i in rng.sample(range(1, 40), 9)]
        about = (
            ("What does {sign} mean?", "The display shows {sign}. Why?", "error {sign}", "What is wrong when I read {sign}?", "meaning of {sign}"),
            ("What do I do about {sign}?", "How do I fix {sign}?", "{sign} comes up. What helps?"),
        )
        rows = self.signal_rows(
            [(c, c) for c in codes[:7]], 3, 7, about, ('Which code is shown for "{meaning}"?', 'What is the code for "{meaning}"?')
        )
        left = [c for c in codes if not any(f"|{c}>" in r[0] for r in rows)]
        b.vain.append((("What does {sign} mean?", "How do I fix {sign}?", "The display shows {sign}. Why?"), b.env_of(sign=rng.choice(left))))
        self.signal_table(("Code", "Fault", "Remedy"), rows)

    def faults(self):
        rng, b = self.rng, self.book
        rows = []
        for _, _, symptom, (why, told), causes, remedies in self.pick(bank.FAULTS, 2, 6):
            several = rng.random() < 0.3  # then neither cause answers alone: only what is to be done about each is asked
            for i in rng.sample(range(len(causes)), 2 if several else 1):
                env = b.env_of(cause=lower(causes[i]), symptom=lower(symptom))
                fix = ("What do I do if {cause}?", "What helps if {cause}?", "{Symptom} because {cause}. What now?")
                cause = causes[i]
                if not several:
                    fix += (told + ". What can I do?", told + ". How do I fix it?", "What helps when {symptom}?")
                    cause = b.span(cause, (why, told + ". What is the reason?", "What is wrong when {symptom}?"), env)
                rows.append((symptom, cause, b.span(b.fill(remedies[i], env), fix, env)))
        if rng.random() < 0.5:
            b.add(b.table(["Problem", "Possible cause", "Remedy"], [list(r) for r in rows]))
        else:
            form = rng.choice(("{}.\nCause: {}.\nRemedy: {}.", "{}? {}. {}.", "Fault: {}. Reason: {}. What to do: {}.", "{}\n  - {}\n  -> {}"))
            b.add("\n".join(form.format(*r) for r in rows))

    def slot(self, name):
        return "{heavy}" if name == "kg" and "heavy" in self.features else "{light}" if name == "kg" else "{" + name + "}"

    def data(self):
        rng, b = self.rng, self.book
        rows = [d for d in self.pick(bank.DATA, 4, 9, key=3) if not any(d[0] in r and r & b.topics for r in RIVALS)]
        lines = []
        if rng.random() < 0.6:
            for label, slot, questions, _ in rows:
                env = b.env_of()
                lines.append([label, b.span(b.fill(self.slot(slot), env), questions + (label + "?",), env)])
            b.add(b.table(["Quantity", "Value"], lines))
        else:
            models = [b.env["model"]]
            while len(models) < 2:
                other = bank.model(rng)
                models += [other] if other not in models else []
            for label, slot, questions, _ in rows:
                cells, taken = [label], set()
                for name in models:
                    env = b.env_of(other="the " + name)
                    for _ in range(9):
                        value = b.fill(self.slot(slot), b.env_of())
                        if value not in taken:
                            break
                    taken.add(value)
                    forms = tuple(q.replace("{mine}", "{other}") if "{mine}" in q else f"{q[:-1]} ({name})?" for q in questions) + (
                        f"{label} {name}",
                    )
                    cells.append(b.span(value, forms, env))
                lines.append(cells)
            b.add(b.table(["Model", *models], lines, True))
        told = {r[0] for r in rows}
        for label, _, questions, needs in bank.DATA:
            if (
                label not in told
                and label in ("Weight", "Noise level", "Service life", "Country of origin", "Cable length")
                and has(self.features, needs)
                and "night" not in b.topics
            ):
                b.vain.append((questions, b.env_of()))

    def intervals(self):
        rng, b = self.rng, self.book
        rows, taken = [], set()
        for job in rng.sample(bank.INTERVAL_JOBS, rng.randint(3, 7)):
            env = b.env_of()
            text, often = b.fill(job, env), b.fill("{often}", env)
            if often in taken or any(text == r[2] for r in rows):
                continue
            taken.add(often)
            env["job"] = lower(text)
            what = b.span(text, ("What must be done {often}?", "Which job is due {often}?", "What do I have to do {often}?"), env)
            when = b.span(
                often, ("How often do I have to {job}?", "When is it time to {job}?", "How often should one {job}?", "{job} - how often?"), env
            )
            rows.append((what, when, text))
        b.add(b.table(["Job", "Interval"], [[a, c] for a, c, _ in rows]))

    def box(self):
        rng, b = self.rng, self.book
        items = rng.sample(bank.BOX[1:], rng.randint(4, 9))
        lines = ["1 {device}"]
        for item in items:
            env = b.env_of(item=item)
            if item.endswith("s"):
                n = rng.randint(2, 12)
                lines.append(
                    f"{b.span(str(n), ('How many {item} are in the box?', 'How many {item} do I get?', 'number of {item} supplied'), env)} {item}"
                )
            else:
                lines.append(f"1 {b.span(item, ('Is a {item} included?', 'Does {mine} come with a {item}?', 'Do I get a {item} with it?'), env)}")
        for item in bank.BOX[1:]:
            if item not in items and item.endswith("s"):
                b.vain.append((("How many {item} are in the box?",), b.env_of(item=item)))
        form = rng.choice(("- {}", "{}", "• {}", "[ ] {}"))
        b.add("\n".join(form.format(b.fill(x, b.env)) for x in lines) if rng.random() < 0.7 else ", ".join(b.fill(x, b.env) for x in lines))

    def buttons(self):
        rng, b = self.rng, self.book
        rows = []
        told = self.pick(bank.BUTTONS, 3, 8)
        for name, _, does in told:
            env = b.env_of(button=name, does=does)
            key = b.span(name, ("Which button {does}?", "Which key {does}?", "What do I press? I need the key that {does}."), env)
            rows.append(
                (key, b.span(does, ("What does the {button} button do?", "What is {button} for?", "what happens when i press {button}"), env))
            )
        left = [x[0] for x in bank.BUTTONS if x not in told]
        b.vain.append(
            (
                ("What does the {button} button do?",),
                b.env_of(button=rng.choice([x for x in left if x not in ("Power", "OK", "Back", "Lock", "Boost", "Eco", "Mute", "Test")])),
            )
        )
        if rng.random() < 0.5:
            b.add(b.table(["Key", "Function"], [list(r) for r in rows]))
        else:
            form = rng.choice(("{} {}.", "The key {} {}.", "{}: {}", "[{}] {}"))
            b.add("\n".join(form.format(*r) for r in rows) if rng.random() < 0.6 else " ".join(f"The key {k} {d}." for k, d in rows))

    def programs(self):
        rng, b = self.rng, self.book
        hot = "heat" in self.features or "water" in self.features
        names, uses = rng.sample(bank.PROGRAMS, rng.randint(3, 7)), rng.sample(bank.PROGRAM_USES, 7)
        rows = []
        for name, use in zip(names, uses):
            env = b.env_of(prog=name, for_=use)
            row = [b.span(name, ("Which programme is meant for {for_}?", "What should I choose for {for_}?", "best setting for {for_}"), env)]
            row.append(b.span(use, ("What is {prog} meant for?", "When do I use {prog}?"), env))
            if hot:
                row.append(
                    b.span(
                        b.fill("{warm}" if rng.random() < 0.5 else "{hot}", b.env_of()),
                        ("How hot is {prog}?", "What is the temperature of {prog}?", "temperature for {prog}"),
                        env,
                    )
                )
            row.append(
                b.span(f"{rng.randrange(5, 200, 5)} min", ("How long does {prog} take?", "How long is the {prog} programme?", "duration {prog}"), env)
            )
            row.append(b.span(f"{rng.randint(5, 90) / 10} kg", ("How much can I load in {prog}?", "What is the maximum load of {prog}?"), env))
            rows.append(row)
        b.vain.append(
            (("How long does {prog} take?", "What is {prog} meant for?"), b.env_of(prog=rng.choice([p for p in bank.PROGRAMS if p not in names])))
        )
        b.add(b.table(["Programme", "Used for", *(["Temperature"] if hot else []), "Duration", "Maximum load"], rows))

    def write(self):
        rng, b = self.rng, self.book
        b.start()
        b.add(b.fill(rng.choice(texts.ALL_TITLES), b.env))
        b.env.setdefault("model", bank.model(rng))
        b.env.setdefault("maker", bank.made_up(rng))
        if rng.random() < 0.6:
            b.add(b.say(rng.choice(texts.INTROS), {"a": ("What is {mine} for?", "What is the purpose of {mine}?", "What is it made for?")}))
        f = self.features
        sections = [
            "safety",
            "box",
            "parts",
            "setup",
            "steps",
            "use",
            "buttons",
            "programs",
            "lights",
            "beeps",
            "codes",
            "care",
            "intervals",
            "faults",
            "data",
            "service",
        ]
        sections = [
            s
            for s in sections
            if (s != "programs" or "program" in f)
            and (s != "codes" or f & {"screen", "program", "mains"})
            and (s != "lights" or f & {"mains", "battery"})
            and (s != "beeps" or f & {"mains", "battery"})
        ]
        n = min(len(sections), rng.choice((2, 3, 4, 5, 6, 7, 8, 9, 11, 13)))
        chosen = set(rng.sample(sections, n))
        if not chosen & set(bank.FACTS):
            chosen.add(rng.choice(list(bank.FACTS)))
        run = {
            "parts": self.parts_,
            "steps": self.steps,
            "lights": self.lights,
            "beeps": self.beeps,
            "codes": self.codes,
            "faults": self.faults,
            "data": self.data,
            "intervals": self.intervals,
            "box": self.box,
            "buttons": self.buttons,
            "programs": self.programs,
        }
        for s in sections:
            if s in chosen and (len(self.signals) > 2 or s not in ("lights", "beeps", "codes")):
                b.heading(rng.choice(texts.HEADINGS[s]))
                if s in bank.FACTS:
                    self.facts(s, *((6, 12) if n < 4 else (3, 8)))
                else:
                    run[s]()
        for section in bank.FACTS:
            for topic, needs, _, questions in bank.FACTS[section]:
                if topic in SAFE and topic not in b.topics and has(f, needs) and not any(topic in r and r & b.topics for r in RIVALS):
                    b.vain.append((questions["a"], b.env_of()))
        return b.finish("device")


def draw(rng, words):
    kind = rng.choices((sheet, recipe, first_aid, process, None), (24, 9, 6, 4, 57))[0]
    return kind(rng, words) if kind else Manual(rng, words).write()
