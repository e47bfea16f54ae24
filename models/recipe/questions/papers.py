"""Everyday papers with questions: letters, e-mails, minutes, memos, insurance policies, terms of service, privacy notices, warranties,
invoices, appointments, leaflets of medicines, notices of schools, itineraries, rules of firms, programmes, news, adverts, lives, reports.

What they say stands in papers_bank.py, papers_terms.py, papers_more.py and papers_work.py, in a small notation that `Draft.fill` reads:

    <a|b|c>     one of these; <a> is there or not
    {money}     a value of this kind, the same at every place of the item; {MONEY} is the same in the whole document;
                {task.1} is the second form of an entry of a bank; {money2} is another value of the kind
    [due:text]  a span that answers the questions under `due`
"""

import datetime
import re

import needles
import papers_bank
import papers_more
import papers_terms
import papers_work
from marked import Question, Task, strip

TALK = papers_more.TALK
BANKS = {**papers_bank.BANKS, **papers_terms.BANKS, **papers_more.BANKS, **papers_work.BANKS}
PAPERS = [*papers_bank.PAPERS, *papers_terms.PAPERS, *papers_more.PAPERS, *papers_work.PAPERS]
CHOICE = re.compile(r"<([^<>]*)>")
SLOT = re.compile(r"\{([A-Za-z_]+)(\d?)(?:\.(\d))?\}")
SPAN = re.compile(r"\[(\w+):([^\[\]]*)\]")
PERCENT = ("%", " %", " per cent", " percent")
SUMS = {"qty", "unit", "line", "subtotal", "carriage", "vat", "tax", "total"}
COUNT = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen".split()
DATES = (
    "{d} {month} {y}", "{d} {month} {y}", "{month} {d}, {y}", "{month} {d}, {y}", "{d}{th} {month} {y}", "{wd}, {d} {month} {y}", "{wd} {d} {month}",
    "{wd}, {month} {d}", "{d} {mon} {y}", "{y}-{m:02}-{d:02}", "{d:02}.{m:02}.{y}", "{d:02}/{m:02}/{y}", "{d}{th} {month}", "{d} {month}",
)
MONEY = (
    "€{n}", "£{n}", "${n}", "{n} EUR", "EUR {n}", "GBP {n}", "USD {n}", "CHF {n}", "{n} euros", "{n} dollars", "A${n}", "SEK {n}", "{n} pounds",
)
FIRST = (
    "Agnes Alan Barbara Colin Daphne Deborah Edith Ellen Frank Gavin Gerald Harriet Heather Ian Irene Jack Joan Keith Kirsten Linda Malcolm "
    "Marion Neil Nora Oliver Patricia Philip Rachel Robin Ruth Simon Stella Theo Trevor Una Vincent Walter Winifred"
).split() + list(needles.FIRST_NAMES)
LAST = (
    "Abbott Ashworth Barlow Bennett Birch Callaghan Carver Clegg Crowther Dawson Drummond Ellison Farrow Fenwick Finch Gallagher Garside "
    "Hargreaves Hobbs Ingram Jessop Kerr Lomax Maddox Mercer Norris Osborne Pickering Priestley Quigley Rowe Sallis Sharples Thorne Tully "
    "Underhill Vance Wainwright Whitlock Yates"
).split() + list(needles.LAST_NAMES)
STEMS = (
    "Alder Amber Ash Beech Black Bramble Brook Castle Cedar Clover Cross Dun East Fair Fern Glen Green Hart Haver Hazel Holm Kings Lang Lark Long "
    "March Mill Nether New Oak Old Orch Over Pen Pine Raven Red Rose Sand Shep South Stan Sutton Thorn Wal Wat West Whit Wind Wood"
).split()
ENDS = "bridge burn bury by combe dale field ford gate ham holt hurst leigh ley mere mouth port stead stoke ton well wick worth".split()
TRADES = (
    "Logistics Insurance Electrical Textiles Travel Engineering Foods Furniture Software Energy Analytics Dental Printing Catering Optics Bikes "
    "Plumbing Outdoor Mutual Media Pharma Systems Tools Appliances Partners"
).split()
LEGAL = ("Ltd", "Ltd", "GmbH", "Inc.", "LLC", "plc", "& Co.", "& Sons", "Group", "B.V.", "AB", "")
WAYS = "Street Street Road Lane Avenue Close Way Row Square Terrace Hill Gardens Crescent".split()


class Draft:
    """One document being written: what it has used so far, and the ways in which it writes dates and money."""

    def __init__(self, rng, words):
        self.rng, self.words = rng, words
        self.task = Task("paper", [], [], ordered=True, rows=True)
        self.shared, self.used, self.spent = {}, set(), False
        self.today = datetime.date(rng.randint(2017, 2027), 1, 1) + datetime.timedelta(rng.randrange(365))
        self.ahead, self.minutes = rng.randint(3, 20), 60 * rng.randint(7, 10)
        self.dates, self.money, self.twelve = rng.choice(DATES), rng.choice(MONEY), rng.random() < 0.5
        self.numerals = rng.randrange(3)
        self.cents = rng.random() < 0.4
        self.sum, self.birth = 0, self.today.year - rng.randint(60, 95)

    def day(self, d, form=None):
        th = "th" if 10 < d.day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(d.day % 10, "th")
        return (form or self.dates).format(d=d.day, m=d.month, y=d.year, month=f"{d:%B}", mon=f"{d:%b}", wd=f"{d:%A}", th=th)

    def clock(self, minutes):
        h, m = divmod(minutes, 60)
        return f"{(h - 1) % 12 + 1}:{m:02} {'am' if h < 12 else 'pm'}" if self.twelve else f"{h:02}:{m:02}"

    def amount(self, n, cents=None):
        c = self.cents if cents is None else cents
        return self.money.format(n=f"{n:,}" + (f".{self.rng.choice((0, 0, 5, 25, 40, 50, 75, 80, 90, 95, 99)):02}" if c else ""))

    def count(self, n, unit):
        unit += "s" * (n != 1)
        if n >= len(COUNT) or self.numerals == 0:
            return f"{n} {unit}"
        return f"{COUNT[n]} {unit}" if self.numerals == 1 else f"{COUNT[n]} ({n}) {unit}"

    def value(self, kind):
        """A fresh value: what a reader must tell apart is never the same twice in a document."""
        if kind in BANKS:
            left = [e for e in BANKS[kind] if (kind, e if isinstance(e, str) else e[0]) not in self.used]
            self.spent = self.spent or not left
            entry = self.rng.choice(left or BANKS[kind])
            entry = (entry,) if isinstance(entry, str) else entry
            self.used.add((kind, entry[0]))
            return entry
        if kind in SUMS:  # what is added up must not be drawn twice
            return (getattr(self, "v_" + kind)(self.rng),)
        for _ in range(20):
            v = getattr(self, "v_" + kind)(self.rng)
            if v not in self.used and not (kind in ("person", "surname") and v.split()[-1] in self.used):
                break
        self.used.add(v)
        if kind in ("person", "surname"):
            self.used.add(v.split()[-1])
        return (v,)

    def v_person(self, rng):
        return f"{rng.choice(FIRST)} {rng.choice(LAST)}"

    def v_first(self, rng):
        return rng.choice(FIRST)

    def v_mr(self, rng):
        return f"{rng.choice(('Mr', 'Mrs', 'Ms', 'Ms'))} {rng.choice(LAST)}"

    def v_dr(self, rng):
        return f"Dr {rng.choice((rng.choice(FIRST) + ' ', ''))}{rng.choice(LAST)}"

    def v_town(self, rng):
        return rng.choice(STEMS) + rng.choice(ENDS)

    def v_street(self, rng):
        return f"{rng.randint(1, 180)} {rng.choice(STEMS)}{rng.choice(ENDS)} {rng.choice(WAYS)}"

    def v_way(self, rng):
        return f"{rng.choice(STEMS)}{rng.choice(ENDS)} {rng.choice(WAYS)}"

    def v_brand(self, rng):
        return rng.choice(STEMS) + rng.choice(("ia", "ex", "on", "is", "ora", "well", "tec", "line", "able", "o"))

    def v_word(self, rng):
        return rng.choice(self.words)

    def v_firm(self, rng):
        first = rng.choice((rng.choice(LAST), rng.choice(STEMS) + rng.choice(ENDS), self.v_brand(rng), rng.choice(self.words).capitalize()))
        return f"{first} {rng.choice(TRADES)} {rng.choice(LEGAL)}".strip()

    def v_drug(self, rng):
        parts = [rng.choice(("ba", "ce", "do", "fle", "ga", "lo", "me", "ni", "pra", "ri", "so", "ta", "ve", "xy", "zo")) for _ in range(2)]
        return ("".join(parts) + rng.choice(("dine", "fen", "lin", "mab", "pril", "statin", "tol", "vex", "zole", "xan", "cet"))).capitalize()

    def v_phone(self, rng):
        def d(n):
            return "".join(rng.choices("0123456789", k=n))

        abroad = f"+{rng.randint(30, 49)} {d(2)} {d(3)} {d(4)}"
        return rng.choice((f"0{d(3)} {d(6)}", abroad, f"({d(3)}) 555-{d(4)}", f"0800 {d(3)} {d(3)}", f"0{d(2)}-{d(7)}"))

    def v_email(self, rng):
        who = rng.choice(("info", "claims", "office", "service", "hello", "privacy", "support", "desk", "contact", rng.choice(FIRST).lower()))
        return f"{who}@{rng.choice(STEMS).lower()}{rng.choice(ENDS)}.{rng.choice(('com', 'org', 'example', 'co.uk', 'eu', 'net'))}"

    def v_url(self, rng):
        return f"www.{rng.choice(STEMS).lower()}{rng.choice(ENDS)}.{rng.choice(('com', 'org', 'example', 'eu'))}/{rng.choice(self.words)}"

    def v_ref(self, rng):
        letters = "".join(rng.choices("ABCDEFGHKLMNPRSTWX", k=2))
        form = rng.choice(("{u}-{n}", "{u}/{n}", "{u}{n}", "{n}", "{u}-{n}-{u}"))
        return form.format(u=letters, n=needles.digits(rng, rng.randint(3, 7)))

    def v_flight(self, rng):
        return "".join(rng.choices("ABDEFKLSTVW", k=2)) + rng.choice(("", " ")) + str(rng.randint(100, 4999))

    def v_money(self, rng):
        return self.amount(rng.choice((rng.randint(40, 99) * 10, rng.randint(11, 99) * 100, rng.randint(100, 999))))

    def v_small(self, rng):
        return self.amount(rng.randint(3, 95))

    def cash(self, cents):
        return self.money.format(n=f"{cents / 100:,.2f}")

    def v_qty(self, rng):
        self.qty = rng.choice((rng.randint(1, 12), rng.randint(2, 150), 10 * rng.randint(1, 30)))
        return str(self.qty)

    def v_unit(self, rng):
        self.unit = rng.randint(2, 180) * 100 + rng.choice((0, 0, 50, 90, 95, 99, 25))
        return self.cash(self.unit)

    def v_line(self, rng):
        self.sum += self.qty * self.unit
        return self.cash(self.qty * self.unit)

    def v_subtotal(self, rng):
        return self.cash(self.sum)

    def v_carriage(self, rng):
        self.freight = rng.randint(4, 60) * 100 + rng.choice((0, 50, 90))
        return self.cash(self.freight)

    def v_vat(self, rng):
        self.rate = rng.choice((5, 7, 10, 13, 19, 20, 21, 22, 24, 25))
        return f"{self.rate}{rng.choice(PERCENT)}"

    def v_tax(self, rng):
        return self.cash(round((self.sum + self.freight) * self.rate / 100))

    def v_total(self, rng):
        return self.cash(self.sum + self.freight + round((self.sum + self.freight) * self.rate / 100))

    def v_rate(self, rng):
        return f"{rng.choice((2, 3, 4, 5, 6, 8, 9, 10, 12, 15, 1.5, 2.5, 7.5))}{rng.choice(PERCENT)}"

    def v_limit(self, rng):
        return self.amount(rng.choice((rng.randint(1, 20) * 500, rng.randint(5, 60) * 1000, rng.randint(1, 9) * 100000)), False)

    def v_excess(self, rng):
        return self.amount(rng.randint(2, 30) * 25, False)

    def v_expiry(self, rng):
        return self.day(self.today + datetime.timedelta(self.ahead + 364))

    def v_full(self, rng):
        return self.amount(rng.randint(10, 60))

    def v_salary(self, rng):
        return self.amount(rng.randint(24, 95) * 1000, False)

    def v_fare(self, rng):
        return self.amount(rng.randint(1100, 9900))

    def v_million(self, rng):
        return self.amount(rng.randint(2, 90) * 500000, False)

    def v_light(self, rng):
        return f"{rng.choice((5, 6, 7, 8, 10, 12))} {rng.choice(('kg', 'kilos'))}"

    def v_tiny(self, rng):
        return self.amount(rng.randint(2, 9), True)

    def v_evening(self, rng):
        return self.clock(rng.randrange(15 * 12, 21 * 12) * 5)

    def v_morning(self, rng):
        return self.clock(rng.randrange(6 * 12, 9 * 12) * 5)

    def v_noon(self, rng):
        return self.clock(rng.randrange(47 * 3, 54 * 3) * 5)

    def v_big(self, rng):
        return self.amount(rng.choice((rng.randint(10, 99) * 1000, rng.randint(1, 20) * 50000, rng.randint(2, 30) * 500000)), False)

    def v_percent(self, rng):
        n = rng.choice((rng.randint(2, 60), rng.randint(2, 60), f"{rng.randint(1, 9)}.{rng.randint(1, 9)}"))
        return f"{n}{rng.choice(PERCENT)}"

    def v_days(self, rng):
        if rng.random() < 0.5:
            return self.count(rng.choice((2, 3, 5, 7, 10, 14, 21, 28, 30, 45, 60, 90)), "day")
        return self.count(rng.randint(1, 12), rng.choice(("week", "working day")))

    def v_months(self, rng):
        return self.count(rng.choice((2, 3, 4, 6, 9, 12, 18, 24)), "month")

    def v_years(self, rng):
        return self.count(rng.choice((2, 3, 4, 5, 6, 7, 8, 10, 12, 15)), "year")

    def v_hours(self, rng):
        return self.count(rng.choice((2, 3, 4, 6, 8, 12, 24, 36, 48, 72)), "hour")

    def v_mins(self, rng):
        return f"{rng.choice((5, 10, 15, 20, 25, 30, 40, 45, 50, 75, 90))} minutes"

    def v_few(self, rng):
        return COUNT[rng.randint(2, 12)]

    def v_n(self, rng):
        return str(rng.randint(13, 480))

    def v_large(self, rng):
        return f"{rng.randint(12, 980) * 100:,}"

    def v_year(self, rng):
        return str(self.today.year - rng.randint(1, 60))

    def v_yearnow(self, rng):
        return str(self.today.year)

    def v_age(self, rng):
        return str(self.today.year - self.birth - 1)

    def v_kg(self, rng):
        return f"{rng.choice((15, 18, 20, 23, 25, 30, 32))} {rng.choice(('kg', 'kilos'))}"

    def v_mg(self, rng):
        return f"{rng.choice((5, 10, 20, 25, 40, 50, 75, 100, 150, 200, 250, 400, 500))} mg"

    def v_temp(self, rng):
        return rng.choice(("{n} °C", "{n}°C", "{n} degrees")).format(n=rng.choice((8, 15, 20, 25, 30, 35)))

    def v_room(self, rng):
        named = f"the {rng.choice(STEMS)}{rng.choice(ENDS)} Room"
        numbered = (f"Room {rng.randint(1, 480)}", f"Room {rng.choice('ABCDE')}{rng.randint(1, 40)}", f"Hall {rng.randint(1, 9)}")
        return rng.choice((*numbered, named, f"meeting room {rng.randint(2, 30)}"))

    def v_seat(self, rng):
        return f"{rng.randint(1, 42)}{rng.choice('ABCDEF')}"

    def v_platform(self, rng):
        return str(rng.randint(1, 24))

    def v_clock(self, rng):
        return self.clock(rng.randrange(8 * 12, 18 * 12 + 6) * 5)

    def v_weekday(self, rng):
        return rng.choice(("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"))

    def v_month(self, rng):
        return rng.choice(needles.MONTHS)

    def v_now(self, rng):
        return self.day(self.today)

    def v_date(self, rng):
        return self.day(self.today + datetime.timedelta(rng.randint(8, 300)))

    def v_soon(self, rng):
        return self.day(self.today + datetime.timedelta(rng.randint(2, 40)))

    def v_past(self, rng):
        return self.day(self.today - datetime.timedelta(rng.randint(3, 400)))

    def v_early(self, rng):
        return str(self.birth + rng.randint(18, 26))

    def v_mid(self, rng):
        return str(self.birth + rng.randint(27, 55))

    def v_born(self, rng):
        return self.day(datetime.date(self.birth, 1, 1) + datetime.timedelta(rng.randrange(365)), rng.choice(DATES[:5]))

    def v_next(self, rng):
        """Days of a journey, a term or a project follow each other."""
        self.ahead += rng.randint(1, 12)
        return self.day(self.today + datetime.timedelta(self.ahead))

    def v_far(self, rng):
        self.ahead += rng.randint(14, 45)
        return self.day(self.today + datetime.timedelta(self.ahead))

    def v_later(self, rng):
        self.minutes = min(self.minutes + rng.choice((10, 15, 20, 25, 30, 40, 45, 60, 75, 90)), 1435)
        return self.clock(self.minutes)

    def fill(self, text, local):
        """Text without alternatives and slots; spans still in brackets."""
        while CHOICE.search(text):
            text = CHOICE.sub(lambda m: self.rng.choice(m[1].split("|") if "|" in m[1] else (m[1], "")), text)

        def slot(m):
            kind, no, form = m.groups()
            store = self.shared if kind.isupper() else local
            if kind + no not in store:
                store[kind + no] = self.value(kind.lower())
                if kind.lower() in BANKS:
                    store[kind + no] = tuple(self.fill(x, local) for x in store[kind + no])
            return store[kind + no][int(form or 0)]

        return SLOT.sub(slot, text)

    def marks(self, text):
        """Brackets become marks; {name: mark}, the first of a name."""
        found = {}

        def span(m):
            if m[1] in found:
                return m[2]
            shown, found[m[1]] = self.task.mark(m[2])
            return shown

        while SPAN.search(text):
            text = SPAN.sub(span, text)
        return text, found


def capital(text):
    m = re.search("[^\ue000-\uefff]", text)
    first_word = strip(text).split(" ", 1)[0] if text else ""
    return text[: m.start()] + m.group().upper() + text[m.end() :] if m and not re.search(r"[@.]\w|://", first_word) else text


def ask(rng, draft, text, local):
    """One of several questions, which stand with " / " between them."""
    text = draft.fill(rng.choice(text.lstrip("!").split(" / ")), local)
    return capital(rng.choice(text.split(" / ")))


def absent(rng, draft, item):
    """A question that only an item left out, or another entry of the list, would answer; None where the words could mean another place."""
    names = [k for k, v in item["asks"].items() if not v.startswith("!")]
    if not names:
        return None
    draft.spent = False
    question = ask(rng, draft, item["asks"][rng.choice(names)], {})
    return None if draft.spent else question


def write(rng, draft, item, asked):
    """The text of one item, a list of lines where it is a list; (questions, local values, mark) of all its spans go to `asked`."""
    if not item["times"]:
        local = {}
        text, found = draft.marks(draft.fill(rng.choice(item["says"]), local))
        asked += [(item["asks"][k], local, i) for k, i in found.items() if k in item["asks"]]
        return [capital(text)]
    alike = rng.choice(item["says"])
    same = "\n" in alike or rng.random() < 0.6
    said, lines = [s for s in item["says"] if "\n" not in s] or [alike], []
    low, high = item["times"]
    draft.spent = False
    for _ in range(rng.randint(low, high + (rng.randint(0, 4) if high > 2 else 0))):
        local = {}
        form = alike if same else rng.choice(said)
        text = draft.fill(form.split("\n")[-1], local)
        if draft.spent and lines:
            break
        text, found = draft.marks(text)
        asked += [(item["asks"][k], local, i) for k, i in found.items() if k in item["asks"]]
        lines.append(capital(text))
    if "\n" in alike:
        edge = rng.choice(("", "", "| "))
        if not edge:
            return ["\n".join([alike.split("\n")[0], *lines])]
        rows = [f"| {x} |" for x in (alike.split("\n")[0], *lines)]
        return ["\n".join([rows[0], "|" + "---|" * (rows[0].count("|") - 1), *rows[1:]])]
    return lines


LEADS = ("Please note: ", "N.B.: ", "Important: ", "For the record: ", "Good to know: ", "What you should know: ", "To repeat: ", "Also: ")
BULLETS = ("- ", "* ", "• ", "– ")
HEADS = (
    "{n}. {t}", "{n}. {t}", "{n} {t}", "{t}", "{t}", "{T}", "## {t}", "**{t}**", "{n}) {t}", "Section {n}: {t}", "{t}:", "{t}\n{u}", "# {n}. {t}",
)


def draw(rng, words):
    """One paper of some kind."""
    paper = rng.choices(PAPERS, [p["weight"] for p in PAPERS])[0]
    draft, asked, out, missing = Draft(rng, words), [], [], []
    out += write(rng, draft, paper["head"], asked) if paper["head"] else []
    head, bullet = rng.choice(HEADS), rng.choice(BULLETS)
    form = rng.choice(("run", "run", "lines", "bullets", "numbers")) if not paper["prose"] else rng.choice(("run", "run", "run", "lines"))
    few = sum(len(items) for _, items in paper["sections"]) < 12
    keep = rng.choice((0.9, 1) if few else (0.6, 0.85, 0.9, 1))
    talk = list(TALK[paper["talk"]])
    rng.shuffle(talk)
    wordy = rng.choice((0.1, 0.5, 0.7, 0.9))
    sections = list(paper["sections"])
    if paper["shuffle"] and rng.random() < 0.6:
        rng.shuffle(sections)
    n = 0
    for title, items in sections:
        chosen = [x for x in items if rng.random() < (keep if x["asks"] else 0.6) or x["must"]]
        missing += [x for x in items if x not in chosen]
        missing += [x for x in chosen if x["times"]]
        if not chosen:
            continue
        if not paper["prose"] and rng.random() < 0.3 and paper["shuffle"]:
            rng.shuffle(chosen)
        title = draft.fill(title, {})
        n += title != ""
        if title and not (paper["prose"] and rng.random() < 0.6):
            out.append(head.format(n=n, t=title, T=title.upper(), u="-" * len(title)))
        k, run = 0, []
        for item in chosen:
            lines = write(rng, draft, item, asked)
            if item["must"] and not item["asks"]:  # how somebody is addressed
                out += lines
                continue
            if item["asks"] and not item["times"] and "\n" not in lines[0] and rng.random() < 0.06:
                lines[0] = rng.choice(LEADS) + lines[0]
            if item["asks"] and rng.random() < wordy:
                said = " ".join(talk.pop() for _ in range(min(len(talk), rng.choice((1, 1, 2)))))
                if item["times"] or "\n" in lines[0] and not paper["prose"]:
                    run.append(said)
                elif said:
                    lines[0] += " " + said
            if item["times"] and len(lines) > 1 and not (form == "run" and rng.random() < 0.3):
                mark = rng.choice((bullet, bullet, bullet, "", None))
                lines = ["\n".join((f"{j}. " if mark is None else mark) + x for j, x in enumerate(lines, 1))]
            elif item["times"] and len(lines) > 1:
                lines = [" ".join(x if strip(x)[-1] in ".!?" else x + "." for x in lines)]
            if "\n" in lines[0] or item["times"]:
                out += [" ".join(run)] if run else []
                out, run = out + lines, []
            elif form == "run":
                run += lines
                if len(run) >= rng.randint(1, 4):
                    out, run = out + [" ".join(run)], []
            elif form == "lines" or form == "numbers" and not title:
                out += lines
            else:
                k += 1
                out.append((f"{n}.{k} " if form == "numbers" else bullet) + lines[0])
        out += [" ".join(run)] if run else []
    if paper["end"]:
        out += write(rng, draft, paper["end"], asked)
    ask_about(rng, draft, paper, asked, missing)
    draft.task.facts.append("\n\n".join(out))
    draft.task.prune()
    return draft.task


def ask_about(rng, draft, paper, asked, missing):
    """6 to 14 questions, each once; about one of eight has no answer in the document."""
    most, seen = rng.randint(6, 12), set()
    rng.shuffle(asked)
    if len(asked) < most:
        asked = asked + rng.sample(asked, min(len(asked), most - len(asked)))
    for text, local, mark in asked[:most]:
        q = ask(rng, draft, text, local)
        if q not in seen:
            seen.add(q)
            draft.task.questions.append(Question(q, [mark]))
        if len(draft.task.questions) < 14 and rng.random() < 0.15:
            if paper["never"] and rng.random() < 0.4 or not missing:
                q = capital(draft.fill(rng.choice(paper["never"]), {}))
            else:
                q = absent(rng, draft, rng.choice(missing))
            if q and q not in seen:
                seen.add(q)
                draft.task.questions.append(Question(q))
    rng.shuffle(draft.task.questions)
