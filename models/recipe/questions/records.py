"""Tables, lists, forms and records of real subjects, asked for in people's words: by row, by another column, by part of a key.

A subject (records_bank.py) makes rows of coherent columns. A question about a column names others in braces, and is asked of a row
which is the only one with these values; `[rank=1]` before it asks only of the row with that value. A question that names no column
is one about a document with a single row. Names with an underscore are not shown: a part of a column if `parts` says so (a surname,
a month), else something that all rows share.
"""

import re
from collections import Counter
from datetime import date, timedelta

import tables
from marked import CLOSE, MARK, OPEN, Question, Task, renumbered, strip
from needles import FIRST_NAMES, LAST_NAMES, MONTHS
from records_bank import GENERAL, NO_ROW, WEEK
from records_bank import SUBJECTS as FIRST
from records_forms import SUBJECTS as FORM_SUBJECTS
from records_more import SUBJECTS as MORE

SUBJECTS = FIRST | MORE | FORM_SUBJECTS
FIELD, CONDITION = re.compile(r"\{(\w+)\}"), re.compile(r"\[(\w+)=([^\]]*)\]")
# What is said of a row that the table lacks.
LATE = (
    "Added after printing: {k}, {h}: {v}.", "Not in the table yet: {k} ({h}: {v}).", "Left out above by mistake: {k}, with {h}: {v}.",
        "Also: {k} – {h}: {v}.",
    "Late addition: {k}; {h}: {v}.", "Missing from the list is {k} ({h} {v}).",
)  # fmt: skip
EMPTY = ("", "-", "n/a", "none")
LAST = LAST_NAMES + (
    "Achterberg Almeida Andersson Baird Banerjee Barlow Benedetti Bianchi Blackwood Bowen Calloway Chaudhry Clarke Coleman Cruz Davies Delgado Dubois "
    "Edwards Faulkner Fischer Flynn Forsyth Fraser Gallagher Gibson Greene Halloran Hansen Hartmann Hassan Higgins Hoang Horvath Hughes Iqbal Jankowski "
    "Johansson Kaplan Keller Khan Kimura Koch Larsen Lefebvre Lombardi MacLeod Marsh Mbeki Meyer Mitchell Nguyen Novak Nowak Obrien Olsen Ortega "
    "Patel Pereira Popescu Quinn Rahman Reyes Rosenthal Sandoval Santos Shapiro Silva Singh Sorensen Steiner Sullivan Suzuki Thapa Toth Urquhart "
    "Vargas Vogel Walsh Wright Yamada Zapata Zielinski"
).split()
STARTS = "Ash Brad Thorn Wick Kings Hart El Stan Whit Mill Old Cold Nor Sut Wood Red Bur Lang Hol Fair Ever Pen Tam Dun".split()
ENDS = "ford bury ton ham field ley wick mouth bridge worth stead minster combe gate dale".split()
TRADES = "Supplies Logistics Electric Foods Instruments Paper Systems Trading Motors Optics Pharma Textiles Media Tools Energy".split()
FORMS = "Ltd|GmbH|Inc.|& Sons|AG|plc|& Co.|Group|S.A.|LLC".split("|")


class Pen:
    """Draws values; dates, times and sums of money are written alike in the whole document."""

    def __init__(self, rng, words):
        self.rng, self.words = rng, words
        self.dates, self.clocks = rng.randrange(8), rng.randrange(5)
        self.sign = rng.choice(("£", "£", "$", "$", "€", "EUR", "USD", "CHF", "GBP", "kr"))
        self.behind = self.sign in ("EUR", "CHF", "kr") and rng.random() < 0.7 or self.sign == "€" and rng.random() < 0.4
        self.year = rng.randint(2012, 2027)
        self.known = set()

    def pick(self, bank):
        return self.rng.choice(bank.split("|") if isinstance(bank, str) else bank)

    def some(self, bank, n):
        bank = bank.split("|") if isinstance(bank, str) else list(bank)
        return self.rng.sample(bank, min(n, len(bank)))

    def int(self, a, b):
        return self.rng.randint(a, b)

    def person(self):
        """A name whose last name nobody else has, as far as there are enough."""
        for _ in range(50):
            last = self.rng.choice(LAST)
            if last not in self.known:
                break
        self.known.add(last)
        return f"{self.rng.choice(FIRST_NAMES)} {last}"

    def people(self, n):
        return list({self.person(): True for _ in range(n)})

    def place(self):
        return self.rng.choice(STARTS) + self.rng.choice(ENDS)

    def firm(self):
        first = self.rng.choice((self.rng.choice(LAST_NAMES), self.place(), self.rng.choice(self.words).capitalize()))
        return f"{first} {self.rng.choice(TRADES)} {self.rng.choice(FORMS)}"

    def phone(self):
        n = lambda k: "".join(self.rng.choices("0123456789", k=k))
        return self.pick([f"0{n(3)} {n(6)}", f"+44 {n(4)} {n(6)}", f"({n(3)}) {n(3)}-{n(4)}", f"0{n(2)}/{n(7)}", f"+49 {n(2)} {n(3)} {n(4)}"])

    def mail(self, who=None):
        first, last = (who or f"{self.rng.choice(FIRST_NAMES)} {self.rng.choice(LAST_NAMES)}").lower().split(" ")[:2]
        host = self.rng.choice(self.words).lower() + self.pick(".org|.com|.net|.example|.co.uk")
        return self.pick([f"{first}.{last}", f"{first[0]}{last}", last, f"{first}_{last}"]) + "@" + host

    def code(self):
        letters = "".join(self.rng.choices("ABCDEFGHKLMNPRSTVX", k=self.int(1, 3)))
        return letters + self.pick(["-", "", "/", " "]) + str(self.int(100, 99999))

    def when(self, first=None, last=None):
        first = date(first or self.year - 1, 1, 1)
        return first + timedelta(self.rng.randrange(366 * max(1, (last or self.year) - first.year + 1)))

    def series(self, n, least, most, start=None):
        """n days, one after the other, with so many days between them."""
        day, out = start or self.when(), []
        for _ in range(n):
            out.append(day)
            day += timedelta(self.int(least, most))
        return out

    def day(self, d):
        m = MONTHS[d.month - 1]
        return (
            f"{d.day} {m} {d.year}", f"{m} {d.day}, {d.year}", d.isoformat(), f"{d.day:02}/{d.month:02}/{d.year}",
                f"{d.day:02}.{d.month:02}.{d.year}",
            f"{d.day} {m[:3]} {d.year}", f"{m[:3]} {d.day}, {d.year}", f"{d.day:02}-{m[:3]}-{d.year}",
        )[self.dates]  # fmt: skip

    def short(self, d):
        m = MONTHS[d.month - 1]
        return (f"{d.day} {m}", f"{m} {d.day}", f"{d.month:02}-{d.day:02}", f"{d.day:02}/{d.month:02}", f"{d.day}.{d.month}.")[self.dates % 5]

    def month(self, d):
        return f"{MONTHS[d.month - 1]} {d.year}"

    def clock(self, minutes):
        h, m = minutes // 60 % 24, minutes % 60
        h12 = h % 12 or 12
        return (f"{h:02}:{m:02}", f"{h}:{m:02}", f"{h:02}.{m:02}", f"{h12}:{m:02} {'am' if h < 12 else 'pm'}",
            f"{h12}:{m:02} {'AM' if h < 12 else 'PM'}")[self.clocks]

    def amount(self, a, b, whole=0.2):
        """A sum of money without its currency."""
        cents = "" if self.rng.random() < whole else f".{self.pick(['00', '50', '99', '95', '20', '75', '49', str(self.int(10, 99))])}"
        return f"{self.int(a, b):,}{cents}"

    def money(self, sum):
        return f"{sum} {self.sign}" if self.behind else self.sign + ("" if len(self.sign) == 1 else " ") + sum

    def fill(self, text):
        """{person}, {date} and so on of `text` drawn."""
        draws = {
            "person": self.person, "date": lambda: self.day(self.when()), "phone": self.phone, "mail": self.mail, "place": self.place,
            "firm": self.firm, "money": lambda: self.money(self.amount(2, 90)), "clock": lambda: self.clock(self.int(84, 230) * 5),
            "n": lambda: str(self.int(2, 30)), "weekday": lambda: self.pick("Monday|Tuesday|Wednesday|Thursday|Friday|Saturday"),
            "month": lambda: self.rng.choice(MONTHS), "year": lambda: str(self.year), "code": self.code,
        }  # fmt: skip
        return re.sub(r"\{(\w+)\}", lambda m: draws[m.group(1)]() if m.group(1) in draws else m.group(), text)


class Sheet:
    """The rows of one document, which columns it shows, and the marks of what is asked for."""

    def __init__(self, rng, pen, spec):
        self.rng, self.spec, self.task = rng, spec, Task("record", [], [], ordered=True, rows=True)
        self.parts = spec.get("parts", {})
        self.columns = {c: (headers.split("|"), questions.split("|")) for c, (headers, questions) in spec["columns"].items()}
        most = rng.choice((rng.randint(3, 8), rng.randint(8, 16), rng.randint(14, 26), rng.randint(24, 44)))
        rows = spec["rows"](pen, 1 if spec.get("single") else most + 1)
        self.rows, self.out = (rows, None) if spec.get("single") or len(rows) < 3 else (rows[:-1], rows[-1])
        if self.out and rng.random() < 0.7 and not spec.get("ranked"):  # the row left out is any of them
            i = rng.randrange(len(self.rows))
            self.rows, self.out = rows[:i] + rows[i + 1 :], rows[i]
        optional = [c for c in spec.get("optional", "").split() if c in self.columns]
        gone = {c for c in optional if rng.random() < 0.3}
        self.shown = [c for c in self.columns if c not in gone]
        self.sentences = None
        if spec.get("sentences") and rng.random() < 0.16:
            fields = lambda t: FIELD.findall(t)
            told = spec["sentences"].split("|")
            first = rng.choice(told)
            self.sentences = [t for t in told if set(fields(t)) == set(fields(first))]
            self.shown = [c for c in self.columns if c in fields(first)]
        self.gone = [c for c in optional if c not in self.shown]
        self.group = spec.get("group") if rng.random() < 0.35 and spec.get("group") in self.shown and not self.sentences else None
        if self.group:  # rows that share a value stand together
            order = list(dict.fromkeys(row[self.group] for row in self.rows))
            order = WEEK if set(order) <= set(WEEK) else order
            self.rows.sort(key=lambda row: order.index(row[self.group]))
        self.heads = {}
        for c, (headers, _) in self.columns.items():
            header, _, unit = rng.choice(headers).partition(" ~")
            in_head = rng.random() < 0.5 and not self.sentences
            sign = pen.sign if unit == "money" else unit
            self.heads[c] = header + (rng.choice((" ({})", " ({})", " in {}", " [{}]")).format(sign) if unit and in_head else "")
            for row in rows:
                if unit and not in_head and row[c] not in EMPTY:
                    row[c] = pen.money(row[c]) if unit == "money" else f"{row[c]}{'' if unit in '%°C' else ' '}{unit}"
        self.marks, self.used, self.named = {}, Counter(), {}

    def of(self, field):
        """The column that a field is, or is a part of; None for what all rows share."""
        return field if field in self.columns else self.parts.get(field)

    def mark(self, row, field):
        if (row, field) not in self.marks:
            chars, i = self.task.mark("")
            self.marks[row, field] = (chars, i)
        return self.marks[row, field][1]

    def cell(self, row, column):
        text = self.rows[row][column] if row is not None else self.heads[column]
        for part in [p for p, c in self.parts.items() if c == column and (row, p) in self.marks]:
            (begin, end), value = self.marks[row, part][0], self.rows[row][part]
            text = text.replace(value, begin + value + end, 1)
        if (row, column) in self.marks:
            begin, end = self.marks[row, column][0]
            text = begin + text + end
        return text

    def same(self, row, field, value):
        if row[field] == value:
            return True
        column = self.of(field)
        return column != field and column is not None and value.lower() in row[column].lower()

    def ask(self, column, template, r):
        """Adds the question about row r; False if it is none."""
        if self.rng.random() < 0.8 * self.used[template]:
            return False
        conditions, text = CONDITION.findall(template), CONDITION.sub("", template)
        row = self.rows[r]
        if any(row[f] != v for f, v in conditions):
            return False
        fields = [f for f in FIELD.findall(text) if self.of(f)]
        needed = fields + [f for f, _ in conditions]
        answer = row[column]
        if any(self.of(f) not in self.shown or row[f] in EMPTY for f in needed) or answer in EMPTY or self.of(column) in map(self.of, needed):
            return False
        if sum(all(self.same(other, f, row[f]) for f in needed) for other in self.rows) != 1:
            return False
        # A surname that stands elsewhere too, say as a deputy's, names nobody.
        rest = " ".join(other[c] for i, other in enumerate(self.rows) for c in self.shown if i != r).lower()
        if any(self.of(f) != f and re.search(rf"\b{re.escape(row[f].lower())}\b", rest) for f in fields):
            return False
        text = text.format(**row)
        if self.of(column) != column and answer not in row[self.of(column)] or any(q.text == text for q in self.task.questions):
            return False
        if re.search(rf"(?<!\w){re.escape(answer.lower())}(?!\w)", text.lower()) and answer.lower() not in ("yes", "no"):
            return False
        support = [self.mark(None, self.of(column))] + [self.mark(r, self.of(f)) for f in dict.fromkeys(needed)]
        self.task.questions.append(Question(text, [self.mark(r, column)], support))
        self.used[template] += 1
        self.named[text] = [row[f] for f in fields]
        return True

    def ask_absent(self):
        """A question about a row or a column that is not there."""
        kind, rng = self.rng.random(), self.rng
        lacks = self.spec.get("lacks", "").split("|")
        if self.out and kind < 0.5:
            c = rng.choice(self.shown)
            template = rng.choice(self.columns[c][1])
            fields = [f for f in FIELD.findall(template) if self.of(f)]
            if CONDITION.search(template) or not fields or any(self.of(f) not in self.shown or self.out[f] in EMPTY for f in fields):
                return
            known = lambda row: all(self.out[f].lower() in row[self.of(f)].lower() or self.same(row, f, self.out[f]) for f in fields)
            if any(map(known, self.rows)):
                return
            text = template.format(**self.out)
        else:
            row = rng.choice(self.rows)
            template = rng.choice(self.columns[rng.choice(self.gone)][1] if self.gone and kind < 0.75 else lacks)
            fields = [f for f in FIELD.findall(template) if self.of(f)]
            if not template or CONDITION.search(template) or any(self.of(f) not in self.shown or row[f] in EMPTY for f in fields):
                return
            if not fields and not self.spec.get("single") and template not in lacks:
                return
            text = template.format(**row)
        if all(q.text != text for q in self.task.questions):
            self.task.questions.append(Question(text))
            self.named[text] = [(self.out or {}).get(f, "") for f in fields] + [row[f] for f in fields if kind >= 0.5]

    def note(self, pen, texts, questions):
        """A sentence of the text around the table, perhaps asked for."""
        row = self.out if "{out}" in texts else None
        text = pen.fill(self.rng.choice(texts.split("|")))
        if row:
            text = text.replace("{out}", row[next(iter(self.columns))])
        before, answer, after = re.match(r"([^\[]*)\[(.*?)\](.*)", text, re.S).groups()
        if self.rng.random() < 0.35:
            shown, i = self.task.mark(answer)
            self.task.questions.append(Question(self.rng.choice(questions.split("|")), [i]))
            answer = shown
        return before + answer + after

    def addition(self):
        """A sentence about the row left out, which is then asked for."""
        rng, key, out = self.rng, self.shown[0], self.out
        column = rng.choice(self.shown[1:])
        templates = [t for t in self.columns[column][1] if not CONDITION.search(t)]
        templates = [t for t in templates if {self.of(f) for f in FIELD.findall(t)} - {None} == {key}]
        if not templates or out[column] in EMPTY or key not in self.heads:
            return ""
        template = rng.choice(templates)
        if any(self.same(row, f, out[f]) for row in self.rows for f in FIELD.findall(template) if self.of(f)):
            return ""
        name, k = self.task.mark(out[key])
        value, v = self.task.mark(out[column])
        self.task.questions.append(Question(template.format(**out), [v], [k]))
        self.named[self.task.questions[-1].text] = [out[key]]
        self.out = None
        return rng.choice(LATE).format(k=name, h=self.heads[column], v=value)

    def body(self):
        rng, rows = self.rng, range(len(self.rows))
        shown = list(self.shown)
        if rng.random() < 0.3:
            shown[1:] = rng.sample(shown[1:], len(shown) - 1)
        if self.sentences:
            said = self.sentences if rng.random() < 0.6 else [rng.choice(self.sentences)]
            lines = [rng.choice(said).format(**{c: self.cell(r, c) for c in shown}) for r in rows]
            lines = [re.sub("^[\ue000-\ue7ff]*[a-z]", lambda m: m.group().upper(), x) for x in lines]
            start = rng.choice(("", "", "- ", "* ", "• "))
            return (" " if not start and rng.random() < 0.5 else "\n").join(start + x for x in lines)
        head = [self.cell(None, c) for c in shown]
        cells = [[self.cell(r, c) for c in shown] for r in rows]
        if self.spec.get("single"):
            joint = rng.choice((": ", ": ", ":\n", " = ", ":\t", " | ", " .... "))
            pairs = [h + joint + c for h, c in zip(head, cells[0])]
            if rng.random() < 0.2 and joint in (": ", " = "):
                return rng.choice(("; ", ", ", " / ")).join(pairs)
            start = rng.choice(("", "", "- ", "* "))
            return ("\n\n" if joint == ":\n" else "\n").join(start + p for p in pairs)
        kind = 1 if self.group else rng.random()
        if kind < 0.25:
            joint, between, last = rng.choice(((": ", "; ", ""), (": ", "; ", ""), (": ", ", ", ""), ("=", ", ", ""), ("=", "; ", ""), (": ", " | ",
                ""), (" ", ", ", ".")))
            start = rng.choice(("", "", "- "))
            return "\n".join(start + between.join(h + joint + c for h, c in zip(head, line)) + last for line in cells)
        if kind < 0.32 and len(self.rows) <= 6:  # rows as columns
            head, *cells = map(list, zip(head, *cells))
            return tables.write(rng, head, cells)
        if self.group:
            at = shown.index(self.group)
            if rng.random() < 0.6:  # the value that rows share stands in front
                head, *cells = [[x[at], *x[:at], *x[at + 1 :]] for x in [head, *cells]]
                at = 0
            # A cell that repeats the one above is left blank, unless a question needs it.
            for r in reversed(rows[1:]):
                if cells[r][at] == strip(cells[r - 1][at]):
                    cells[r][at] = ""
            line = lambda x: "| " + " | ".join(x) + " |"
            if rng.random() < 0.5:
                return "\n".join([line(head), "|" + " --- |" * len(head), *map(line, cells)])
            wide = [max(len(strip(x[c])) for x in [head, *cells]) + 2 for c in range(len(head))]
            pad = lambda x: "".join(c + " " * (w - len(strip(c))) for c, w in zip(x, wide)).rstrip()
            return "\n".join(map(pad, [head, *cells]))
        return tables.write(rng, head, cells)


def tidy(task):
    """Headers that stand in every row are no support, questions whose cells are not shown are none, and marks that none needs go."""
    text = task.facts[0]
    count = Counter(ord(m) - OPEN for m in MARK.findall(text) if ord(m) < CLOSE)
    for q in task.questions:
        q.support = [i for i in q.support if count[i] == 1]
    task.questions = [q for q in task.questions if all(count[i] == 1 for i in q.answers)]
    task.prune()


def page(rng, pen, spec, general=True):
    """One table with its title and what stands around it."""
    sheet = Sheet(rng, pen, spec)
    task, asked = sheet.task, 0
    target = rng.randint(6, 12)
    fields = sheet.shown + [p for p, c in sheet.parts.items() if c in sheet.shown and p in spec.get("part_questions", {})]
    seen = Counter()
    for _ in range(target * 15):
        c, r = rng.choice(fields), rng.randrange(len(sheet.rows))
        questions = sheet.columns[c][1] if c in sheet.columns else spec["part_questions"][c].split("|")
        if seen[r, c] and rng.random() < 0.85:
            continue
        template = rng.choice(questions)
        if conditions := CONDITION.findall(template):
            r = next((i for i, row in enumerate(sheet.rows) if all(row[f] == v for f, v in conditions)), r)
        if sheet.ask(c, template, r):
            seen[r, c] += 1
            asked += 1
        if asked >= target:
            break
    before, after = [], []
    for texts, questions in spec.get("notes", ()):
        if rng.random() < 0.5:
            (before if rng.random() < 0.3 else after).append(sheet.note(pen, texts, questions))
    for texts, questions in rng.sample(GENERAL, rng.choice((0, 0, 1, 1, 2))) if general else ():
        (before if rng.random() < 0.5 else after).append(sheet.note(pen, texts, questions))
    if sheet.out and not spec.get("ranked") and rng.random() < 0.25:
        after.append(sheet.addition())
    if sheet.out and not spec.get("fixed") and not spec.get("ranked") and rng.random() < 0.15:
        after.append(sheet.note(pen, *NO_ROW))
    for _ in range(min(3, sum(rng.random() < 0.16 for _ in range(asked + 1)))):
        sheet.ask_absent()
    joint = rng.choice((" ", "\n", "\n\n", "\n* "))
    title = rng.choice(spec["titles"].split("|")).format(**sheet.rows[0])
    title = title.upper() if rng.random() < 0.12 else title
    line = title + "\n" + rng.choice("=-~") * len(title)
    title = rng.choice(("{}", "{}", "{}", "# {}", "## {}", "{}:", "**{}**", "== {} ==", "<h2>{}</h2>")).format(title) if rng.random() < 0.9 else line
    mark = rng.choice(("", "", "Notes: ", "Note: ", "NB: ")) if any(after) else ""
    after = [x for x in after if x]
    parts = [title if rng.random() < 0.75 else "", joint.join(before).strip(), sheet.body(), mark + joint.join(after).strip()]
    task.facts = [rng.choice(("\n\n", "\n\n", "\n")).join(p for p in parts if p)]
    tidy(task)
    return sheet


def draw(rng, words):
    pen = Pen(rng, words)
    many = [s for s in SUBJECTS if not SUBJECTS[s].get("single")]
    names = [rng.choice(list(SUBJECTS))]
    if names[0] in many:
        names += rng.sample([s for s in many if s != names[0]], rng.choice((0, 0, 0, 1, 1, 2)))
    sheets = [page(rng, pen, SUBJECTS[name], general=name == names[0]) for name in names]
    if len(sheets) > 1:
        # Of several tables, only questions that can be about no other of them.
        texts = [strip(x.task.facts[0]).lower() for x in sheets]
        for i, one in enumerate(sheets):
            others = "\n".join(texts[:i] + texts[i + 1 :])
            sure = lambda q: any(one.named.get(q.text, ())) and not any(v.lower() in others for v in one.named[q.text])
            one.task.questions = [q for q in one.task.questions if sure(q)]
    task = Task("record", [], [], ordered=True, rows=True)
    for one in sheets:
        rng.shuffle(one.task.questions)
        for q in one.task.questions[: -(-14 // len(sheets))]:
            task.questions.append(Question(q.text, [i + task.marks for i in q.answers], [i + task.marks for i in q.support]))
        task.facts.append(renumbered(one.task.facts[0], task.marks))
        task.marks += one.task.marks
    task.facts = ["\n\n".join(task.facts)]
    rng.shuffle(task.questions)
    task.questions = task.questions[:14]
    tidy(task)
    return task
