"""Histories of programs and of what befell them: changelogs in a dozen formats here, advisories, incidents, logs and threads in changes_events.py.

draw(rng, words) -> Task

A version stands in the heading of an entry, what is asked about in a line of it, mostly in other words: that line is marked as support.
"""

import datetime
import re

import changes_bank as bank
import changes_events
import needles
from changes_bank import INNER, Exhausted, Values, chosen, pick_marks, up
from changes_events import SERVICES, Doc
from marked import Question, Task, strip

# --- versions and dates


def versions(rng, n):
    """n version strings, the oldest first, one older than all of them and one newer, all of one scheme; and the scheme."""
    scheme = rng.choice(("semver", "semver", "v", "v", "two", "calendar", "calendar", "portable", "date", "build", "four"))
    out = []
    a, b, c = rng.choice((0, 1, 1, 2, 3, 4, 5, 9, 12, 24)), rng.randint(0, 12), rng.randint(0, 9)
    y, m = rng.randint(2013, 2023), rng.randint(1, 10)
    pending = 0  # release candidates still to come before the final one
    for _ in range(n + 2):
        if scheme in ("semver", "v"):
            if pending:
                pending += 1
                tag = f"-{kind}.{pending}" if pending < limit else ""
                pending = pending if tag else 0
            else:
                step, tag = rng.random(), ""
                if step < 0.55:
                    c += 1
                elif step < 0.87:
                    b, c = b + 1, 0
                else:
                    a, b, c = a + 1, 0, 0
                    if rng.random() < 0.6:
                        pending, limit, kind = 1, rng.randint(2, 4), rng.choice(("rc", "beta", "alpha"))
                        tag = f"-{kind}.1"
            out.append(f"{'v' if scheme == 'v' else ''}{a}.{b}.{c}{tag}")
        elif scheme == "two":
            b += rng.choice((1, 1, 1, 2))
            if rng.random() < 0.12:
                a, b = a + 1, 0
            out.append(f"{a}.{b}")
        elif scheme == "calendar":
            m += rng.randint(1, 4)
            y, m, c = (y + 1, m - 12, 0) if m > 12 else (y, m, 0)
            out.append(f"{y}.{m}" if n % 2 else f"{y}.{m:02}.{rng.randint(0, 3)}")
        elif scheme == "portable":
            if rng.random() < 0.5 or not out:
                a, b, c = (a + 1, 0, 1) if b == 9 else (a, min(b + 1, 9), 1)
            else:
                c += 1
            out.append(f"{a}.{b}p{c}")
        elif scheme == "date":
            m += rng.randint(1, 3)
            y, m = (y + 1, m - 12) if m > 12 else (y, m)
            out.append(f"{y}{m:02}{rng.randint(1, 28):02}")
        elif scheme == "build":
            c += rng.randint(1, 40)
            b += rng.random() < 0.2
            out.append(f"{a}.{b} build {c + 100}" if n % 2 else f"{a}.{b}-b{c + 100}")
        else:
            c += 1
            if rng.random() < 0.3:
                b, c = b + 1, 0
            out.append(f"{a}.{b}.{c}.{rng.randint(0, 9)}")
    return out


SUITES = ("sarge sarge sarge etch etch lenny lenny squeeze squeeze wheezy wheezy jessie jessie stretch stretch buster buster bullseye bullseye "
    "bookworm bookworm bookworm").split()  # from 2004 on


def debian(rng, upstream, year):
    """Debian versions of these upstream ones: revisions, stable updates, backports."""
    epoch = rng.choice(("", "", "", "1:", "2:"))
    upstream = [re.sub(r"^v", "", u).replace("-rc.", "~rc").replace("-beta.", "~beta").replace("-alpha.", "~alpha").replace(" build ",
        "+b") for u in upstream]
    kind, out, i, rev = rng.random(), [], 0, 1
    stable = 6 + max(0, year - 2011) // 2
    branch = rng.choice((f"+deb{stable}u", f"+deb{stable}u", "ubuntu", f"ubuntu0.{year % 100:02}.04.", f"~bpo{stable}+", f"~deb{stable}u", "+nmu"))
    while len(out) < len(upstream):
        if kind < 0.3:  # updates of one release in stable
            out.append((f"{epoch}{upstream[0]}-2{branch}{len(out) + 1}", upstream[0]))
            continue
        out.append((f"{epoch}{upstream[i]}-{rev}{'.1' if rng.random() < 0.08 else ''}", upstream[i]))
        if rng.random() < 0.5:
            rev += 1
        else:
            i, rev = i + 1, 1
    return out


def days(rng, n):
    """n dates, ascending."""
    day, pace = datetime.date(rng.randint(2004, 2024), rng.randint(1, 12), rng.randint(1, 28)), rng.choice((6, 20, 60, 150))
    out = []
    for _ in range(n):
        out.append(day)
        day += datetime.timedelta(days=1 + int(rng.random() * pace * 2))
    return out


MONTHS, DAYS = needles.MONTHS, "Mon Tue Wed Thu Fri Sat Sun".split()


# --- one history


class Change:
    """A statement, drawn and marked, and what is known of it besides."""

    def __init__(self, rng, task, values, entry, credit, bugs, reporters):
        self.category, statements, self.things, self.more = entry
        self.own = {}
        statement = values.fill(rng.choice(statements), self.own)
        self.things = [values.fill(x, self.own) for x in self.things]
        self.more = {k: [values.fill(q, self.own) for q in qs] for k, qs in self.more.items()}
        statement = up(statement) if not re.match(r"\w+[(.:/]|`", statement) and rng.random() < 0.9 else statement
        shown, self.marks = pick_marks(task, statement)
        self.length = len(INNER.sub(r"\2", statement))
        self.said, self.all = task.mark(shown)
        self.by = self.bug = self.cve = self.reporter = None
        tail = []
        end = rng.choice((".", "")) if len(statement) > 30 else ""
        lead = ""
        if self.category == "security" and rng.random() < 0.8:
            self.cve_text = f"CVE-{values.fixed['year'] - (rng.random() < 0.3)}-{rng.choice((rng.randint(1000, 9999), rng.randint(10000, 59999)))}"
            cve, self.cve = task.mark(self.cve_text)
            if rng.random() < 0.5:
                lead = f"{cve}: "
            else:
                tail.append(f"({cve})" if rng.random() < 0.7 else f"[{cve}]")
        if self.category in ("fix", "security", "revert") and reporters and rng.random() < reporters:
            who, self.reporter = task.mark(needles.name(rng))
            tail.append(rng.choice((f"Reported by {who}.", f"Thanks to {who} for the report.", f"Spotted by {who}.", f"(bug report from {who})",
                f"Found by {who}.")))
            end = "."
        if bugs and rng.random() < 0.75 and (self.category in ("fix", "revert", "security") or rng.random() < 0.4):
            number, self.bug = task.mark(bugs[1](rng))
            tail.append(bugs[0].format(number))
        if credit and rng.random() < 0.85:
            person = rng.choice(values.fixed["people"])
            who, self.by = task.mark(bank.handle(person) if "@" in credit else person)
            tail.append(credit.format(who))
        if rng.random() < values.fixed["talkative"]:
            tail.append(rng.choice(bank.ASIDES))
            end = end or "."
        self.line, self.mark = task.mark(lead + self.said + end + "".join(" " + t for t in tail))


BUGS = (
    ("(Closes: {})", lambda rng: f"#{rng.randint(500000, 1099999)}"),
    ("Closes: {}", lambda rng: f"#{rng.randint(500000, 1099999)}"),
    ("(LP: {})", lambda rng: f"#{rng.randint(1200000, 2099999)}"),
    ("({})", lambda rng: f"#{rng.randint(12, 9999)}"),
    ("[{}]", lambda rng: f"GH-{rng.randint(12, 9999)}"),
    ("(fixes {})", lambda rng: f"#{rng.randint(12, 9999)}"),
    ("See {}.", lambda rng: f"#{rng.randint(100, 4999)}"),
    ("[bug {}]", lambda rng: str(rng.randint(10000, 299999))),
)
CREDITS = ("({})", "[{}]", "by @{}", "(@{})", "– {}", "Patch by {}.", "(thanks, {})", "(thanks @{}!)")


class Release:
    def __init__(self, task, version, day, author, form):
        self.text, self.day, self.author_name = version, day, author
        self.version, self.v = task.mark(version)
        self.date, self.d = task.mark(form(day)) if day else ("", None)
        self.author, self.a = task.mark(author)
        self.changes, self.dist, self.urgency, self.upstream, self.remark = [], None, None, None, ""
        self.remarks, self.chores = {}, []
        self.shown_author = False


def entry_for(rng, used, kinds):
    """One of the bank: often one that the document has already, if its things are told apart by what fills the slots."""
    if used and rng.random() < 0.25:
        again = [e for e in used if all("{" in x for x in e[2]) and all("{" in q for qs in e[3].values() for q in qs)]
        if again:
            return rng.choice(again)
    category = rng.choices(list(kinds), list(kinds.values()))[0]
    return rng.choice([e for e in bank.CHANGES if e[0] == category])


def repeatable(entry):
    return all("{" in x for x in entry[2]) and all("{" in q for qs in entry[3].values() for q in qs)


def fill_releases(rng, task, values, releases, per, credit, bugs, reporters, older):
    kinds = {"fix": 9, "add": 6, "change": 6, "deprecate": 2, "remove": 3, "revert": 1.5, "security": rng.choice((0, 2, 4))}
    used = []
    for r in releases:
        values.fixed["year"] = r.day.year
        values.fixed["old"] = rng.choice([o for o in older if o != r.text][:4])
        for _ in range(rng.randint(1, per)):
            for _ in range(8):
                entry = entry_for(rng, used, kinds)
                if entry in used and not repeatable(entry):
                    continue
                try:
                    r.changes.append(Change(rng, task, values, entry, credit, bugs, reporters))
                except Exhausted:
                    continue
                used.append(entry)
                break
        older = [r.text] + older
        if rng.random() < 0.18:
            try:
                statements, more = rng.choice(bank.REMARKS)
                own = {"v": r.text}
                r.remark, marks = pick_marks(task, values.fill(rng.choice(statements), own))
                r.remark, whole = task.mark(r.remark)
                r.remarks = {k: ([values.fill(q, own) for q in more[k]], i, whole) for k, i in marks.items()}
            except Exhausted:
                r.remark = ""
    return used


def history(rng, words):
    task = Task("change", [], [], ordered=True, rows=True)
    n = rng.choice((2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 17, 20))
    writer = rng.choice(WRITERS)
    names = versions(rng, n)
    dates = days(rng, n)
    deb = [(v, None) for v in names] if writer is not write_debian else debian(rng, names, dates[0].year)
    newer, below = deb[-1][0], deb[0][0]
    told_by = [re.match(r"v?(20[12]\d)\.?(\d\d?)(?!\d{3})", v) for v in names[1:]]
    if all(told_by) and writer is not write_debian:
        dates = sorted(datetime.date(int(m.group(1)), int(m.group(2)), rng.randint(1, 28)) for m in told_by)
    form = bank.date_form(rng)
    if writer in (write_debian, write_rpm, write_git):
        form = FORMS[writer]
    people = [needles.name(rng) for _ in range(rng.randint(1, 4))]
    pkg = bank.package(rng, words)
    values = Values(rng, words, pkg=pkg, year=dates[0].year, people=[needles.name(rng) for _ in range(rng.randint(3, 7))], future=newer,
        talkative=rng.choice((0, 0.1, 0.3, 0.6)))
    releases = [Release(task, v, d, rng.choice(people), form) for (v, _), d in zip(deb[1:], dates)]
    for r, (_, u) in zip(releases, deb[1:]):
        r.upstream = u
    credit = rng.choice(CREDITS) if rng.random() < 0.5 else None
    bugs = rng.choice(BUGS) if rng.random() < 0.65 else None
    if writer is write_debian:
        credit, bugs = (rng.choice(CREDITS[:2]) if rng.random() < 0.3 else None), rng.choice(BUGS[:3])
    elif writer is write_git:
        credit = None
    per = rng.choice((6, 9, 12)) if n < 5 else rng.choice((3, 5, 7, 9)) if n < 11 else rng.choice((2, 4, 5))
    used = fill_releases(rng, task, values, releases, per, credit, bugs, rng.choice((0, 0, 0.3, 0.5)), [below])
    told = releases[::-1] if rng.random() < 0.9 or writer in (write_debian, write_rpm, write_git) else releases
    extra = {"pkg": pkg, "mails": {p: task.mark(bank.mail(rng, p)) for p in people}, "down": told[0] is releases[-1]}
    if writer not in (write_git, write_table) and rng.random() < 0.6:
        for r in releases:
            for chore in rng.sample(bank.CHORES, rng.choice((0, 0, 1, 1, 2))):
                r.chores.append(chore)
    text, shows = writer(rng, task, told, extra)
    task.facts = [text]
    asked, no = questions(rng, task, releases, told, shows, extra)
    present = [r.text for r in releases]
    if "date" in shows and "commit" not in shows and newer not in present and rng.random() < 0.6:
        no.append(Question(rng.choice(bank.ASK_DATE).format(v=newer)))
    for _ in range(3):  # changes that are not there, like some that are
        entry = rng.choice(used) if rng.random() < 0.6 else rng.choice(bank.CHANGES)
        if entry in used and not repeatable(entry):
            continue
        try:
            x = values.fill(rng.choice(entry[2]), {})
        except Exhausted:
            continue
        template = rng.choice((bank.ASK_VERSION, bank.ASK_VERSION, bank.ASK_WHEN))[entry[0]][rng.randrange(2)]
        no.append(Question(up(agree(template, x).format(x=x))))
    return chosen(rng, task, asked, no)


AGREE = {"was": "were", "is": "are", "has": "have", "Was": "Were", "Is": "Are", "Has": "Have"}


def agree(template, thing):
    """The verb in the plural for things in the plural."""
    if re.match(bank.PLURAL, thing):
        return re.sub(r"\b([Ww]as|[Ii]s|[Hh]as)\b(?! the release)", lambda m: AGREE[m.group()], template)
    return template


def questions(rng, task, releases, told, shows, extra):
    """All that can be asked, and what can not be answered. `shows`: which of date, author, dist, urgency, commit the format has."""
    asked, no = [], []

    def ask(templates, answer, support=(), to=asked, **kw):
        text = up(agree(rng.choice(templates), kw.get("x", "")).format(**kw))
        to.append(Question(text, [answer] if answer is not None else [], [s for s in support if s is not None and s != answer]))

    some = {k: any(getattr(c, k) is not None for r in releases for c in r.changes) for k in ("reporter", "bug", "cve", "by")}
    for r in releases:
        v = spoken(rng, r.text)
        for c in r.changes:
            x = rng.choice(c.things)
            kind = c.category
            templates = bank.ASK_VERSION[kind]
            if "commit" in shows:
                templates = [t.replace("version", "commit").replace("release", "commit").replace("update ",
                    "commit ") for t in templates if "upgrade" not in t and "rom" not in t]
            if getattr(c, "quoted", None) is not None:
                word, answer = rng.choice((("upstream version", c.quoted), ("package version", r.v)))
                templates = [t.replace("version", word).replace("release", word) for t in templates if "version" in t or "release" in t]
            else:
                answer = r.v
            for _ in range(2):
                ask(templates, answer, [c.mark], x=rng.choice(c.things))
            if "V" in c.more and "commit" not in shows and getattr(c, "quoted", None) is None:
                ask(c.more["V"], r.v, [c.mark])
            if "date" in shows and r.d is not None:
                ask(bank.ASK_WHEN[kind], r.d, [c.mark, r.v], x=x)
            by = c.by if c.by is not None else r.a if "commit" in shows or ("group" in shows and getattr(c, "group", None) is None) else getattr(c,
                "group", None)
            if by is not None:
                ask(bank.ASK_WHO[kind], by, [c.mark], x=x)
            elif "author" in shows and rng.random() < 0.5:
                ask(("Who uploaded the change about {x}?", "Who signed the entry on {x}?", "Whose upload dealt with {x}?"), r.a, [c.mark, r.v], x=x)
            problem = kind in ("fix", "security")
            if kind in bank.ASK_YES and c.length < 60 and rng.random() < 0.5:
                ask(bank.ASK_YES[kind], c.all, x=x)
            if c.reporter is not None:
                ask(bank.ASK_REPORTER, c.reporter, [c.mark], x=x)
            elif some["reporter"] and problem:
                ask(bank.ASK_REPORTER, None, to=no, x=x)
            if c.bug is not None:
                ask(bank.ASK_BUG, c.bug, [c.mark], x=x)
            elif some["bug"] and problem:
                ask(bank.ASK_BUG[:1] + bank.ASK_BUG[3:], None, to=no, x=x)
            if c.cve is not None:
                ask(bank.ASK_CVE, c.cve, [c.mark], x=x)
                if "commit" not in shows:
                    ask(bank.ASK_CVE_VERSION, r.v, [c.mark], c=c.cve_text)
                if c.length < 75:
                    ask(bank.ASK_CVE_WHAT, c.all, [c.mark], c=c.cve_text)
            elif some["cve"] and kind == "security":
                ask(bank.ASK_CVE, None, to=no, x=x)
            for key, qs in c.more.items():
                if key == "ALL" and c.length < 60:
                    ask([q.replace("{", "{{") for q in qs], c.all)
                elif key in c.marks:
                    for q in rng.sample(qs, min(2, len(qs))):
                        asked.append(Question(q, [c.marks[key]], [c.mark]))
        if "commit" in shows:
            ask(("Who wrote commit {v}?", "Who is the author of {v}?"), r.a, [r.v], v=r.text)
            ask(("When was {v} committed?", "What is the date of commit {v}?"), r.d, [r.v], v=r.text)
            if len(r.changes) == 1 and r.changes[0].length < 70:
                ask(("What does commit {v} do?", "What did {v} change?"), r.changes[0].all, [r.v], v=r.text)
            continue
        groups = {}
        for c in r.changes:
            groups.setdefault("fix" if c.category == "security" else c.category, []).append(c)
        for cs in groups.values():
            if len(cs) == 1 and cs[0].length < 75 and cs[0].category in bank.ASK_WHAT:
                ask(bank.ASK_WHAT[cs[0].category], cs[0].all, [r.v], v=v)
        if "date" in shows and r.d is not None:
            ask(bank.ASK_DATE, r.d, [r.v], v=v)
            if sum(o.date == r.date or o.day == r.day for o in releases) == 1:
                ask(bank.ASK_BY_DATE, r.v, [r.d], d=other_date(rng, r))
        if "author" in shows:
            ask(bank.ASK_AUTHOR, r.a, [r.v], v=v)
            ask(("Who uploaded the version of {d}?", "Who made the release of {d}?"), r.a, [r.d], d=other_date(rng, r))
        if r.dist is not None:
            ask(bank.ASK_DIST, r.dist, [r.v], v=v)
        if r.urgency is not None:
            ask(bank.ASK_URGENCY, r.urgency, [r.v], v=v)
        for key, (qs, i, whole) in r.remarks.items():
            for q in qs[:2]:
                asked.append(Question(q.replace(r.text, v) if len(v) > 2 else q, [i], [r.v, whole]))
        if not r.remarks and any("why" in o.remarks for o in releases):
            ask(("Why was {v} withdrawn?", "Why should {v} not be used?"), None, to=no, v=v)
    if "commit" not in shows and releases[-1].day:
        first, last = releases[0], releases[-1]
        for _ in range(2):
            ask(bank.ASK_NEWEST, last.v)
            ask(bank.ASK_OLDEST, first.v)
        if "date" in shows:
            ask(bank.ASK_NEWEST_DATE, last.d, [last.v])
        i = rng.randrange(len(releases) - 1)
        ask(bank.ASK_NEXT, releases[i + 1].v, v=releases[i].text)
        ask(bank.ASK_BEFORE, releases[i].v, v=releases[i + 1].text)
    if "mail" in shows:
        for p in sorted({r.author_name for r in releases if r.shown_author}):
            ask(bank.ASK_MAIL, extra["mails"][p][1], a=p)
    if "author" in shows and len(releases) > 2:
        for r in releases:
            if r.a is not None and sum(o.author_name == r.author_name for o in releases) == 1:
                ask(("Which version did {a} release?", "What was uploaded by {a}?", "Which release is by {a}?"), r.v, [r.a], a=r.author_name)
    if "commit" in shows:
        ask(("What is the latest commit?", "Which commit is the newest?"), told[0].v)
        ask(("Who made the latest commit?", "Who committed last?"), told[0].a, [told[0].v])
    for text, i, support in extra.get("asked", ()):
        asked.append(Question(text, [i], support))
    return asked, no


def other_date(rng, r):
    """The date of a release, half of the time written in another way than it stands there."""
    return strip(r.date) if rng.random() < 0.5 else f"{r.day.day} {MONTHS[r.day.month - 1]} {r.day.year}"


def spoken(rng, version):
    """A version as people say it: mostly whole, now and then with the word before it or without its `v` or epoch."""
    kind = rng.random()
    version = re.sub(r"^\d:", "", version) if rng.random() < 0.4 else version
    return version.lstrip("v") if kind < 0.2 else f"version {version.lstrip('v')}" if kind < 0.35 else version


# --- the formats: each gives the text and what can be asked of it


def wrapped(text, width, first, rest):
    """Lines of at most `width` characters, not counting marks."""
    lines, line, length = [], first, len(first)
    for word in text.split(" "):
        size = len(strip(word)) + 1
        if length + size > width and line.strip() and line != first:
            lines.append(line.rstrip())
            line, length = rest, len(rest)
        line += word + " "
        length += size
    return "\n".join(lines + [line.rstrip()])


def deb_date(d):
    return f"{d.day:02} {MONTHS[d.month - 1][:3]} {d.year}"


def write_debian(rng, task, told, extra):
    stable = SUITES[min(max(told[-1].day.year - 2004, 0), len(SUITES) - 1)]
    suite = rng.choice(("unstable", "unstable", f"{stable}-security", f"{stable}-backports", "experimental", "mixed", "mixed", "mixed", stable))
    width, grouped, out, shows = rng.choice((76, 79, 80, 500)), rng.random() < 0.35, [], {"date", "author", "mail"}
    upstream_seen = set()
    if grouped:
        shows.add("group")
    for r in told:
        dist, r.dist = task.mark(rng.choice(("unstable", "unstable", "experimental", f"{stable}-security", f"{stable}-backports", "stable",
            f"{stable}-proposed-updates")) if suite == "mixed" else suite)
        urgency, r.urgency = task.mark(rng.choice(("medium", "medium", "medium", "high", "low", "emergency")))
        lines = [f"{extra['pkg']} ({r.version}) {dist}; urgency={urgency}", ""]
        changes = r.changes
        if r.upstream and r.upstream not in upstream_seen and len(changes) > 1 and rng.random() < 0.5:
            up_text, up_mark = task.mark(r.upstream)
            quoted = changes[: rng.randint(1, len(changes))]
            lines.append("  * " + rng.choice(("New upstream release {}:", "New upstream version {}. From its notes:",
                "Import {} from upstream, which has the following changes:", "Update to {}:")).format(up_text))
            for c in quoted:
                c.quoted = up_mark
                if r.upstream not in upstream_seen:
                    lines.append(wrapped(c.line, width, "    - ", "      "))
            changes = changes[len(quoted) :]
            extra.setdefault("asked", []).append((rng.choice(("Which upstream version is in {v}?", "What upstream release does {v} package?",
                "To which upstream version did {v} update?")).format(v=r.text), up_mark, [r.v]))
        upstream_seen.add(r.upstream)
        if grouped and changes:
            names = rng.sample(sorted({r.author_name} | set(needles.name(rng) for _ in range(2))), rng.randint(1, 2))
            parts = [changes[: len(changes) // 2], changes[len(changes) // 2 :]] if len(names) == 2 else [changes]
            for who, part in zip(names, parts):
                if not part:
                    continue
                shown, i = task.mark(who)
                lines.append(f"  [ {shown} ]")
                for c in part:
                    c.group = i
                    lines.append(wrapped(c.line, width, "  * ", "    "))
                lines.append("")
        else:
            lines += [wrapped(c.line, width, "  * ", "    ") for c in changes]
        if r.remark:
            lines.append(wrapped(r.remark, width, "  * ", "    "))
        lines += ["  * " + c for c in r.chores]
        if rng.random() < 0.25:
            lines.append("  * " + rng.choice(("Bump Standards-Version to 4.6.2, no changes needed.", "Upload to the archive, sponsored.",
                "Refresh patches.", "Set Rules-Requires-Root: no.", "Run wrap-and-sort -ast.")))
        if lines[-1]:
            lines.append("")
        r.shown_author = True
        zone = rng.choice(("+0000", "+0100", "+0200", "-0500", "+0900"))
        time = f"{rng.randint(6, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02} {zone}"
        lines.append(f" -- {r.author} <{extra['mails'][r.author_name][0]}>  {DAYS[r.day.weekday()]}, {r.date} {time}")
        out.append("\n".join(lines))
    return "\n\n".join(out), shows


def write_rpm(rng, task, told, extra):
    out = ["%changelog"] if rng.random() < 0.6 else []
    for r in told:
        r.shown_author = True
        lines = [f"* {r.date} {r.author} <{extra['mails'][r.author_name][0]}> - {r.version}"]
        lines += ["- " + c for c in [*(x.line for x in r.changes), *r.chores]]
        if r.remark:
            lines.append("- " + r.remark)
        out.append("\n".join(lines) + "\n")
    return "\n".join(out), {"date", "author", "mail"}


SECTIONS = {"fix": ("Fixed", "Bug fixes", "🐛 Fixes"), "add": ("Added", "New features", "✨ New"), "change": ("Changed", "Improvements", "Changes"),
            "deprecate": ("Deprecated", "Deprecations", "Deprecated"), "remove": ("Removed", "Removals", "🗑 Removed"),
                "revert": ("Reverted", "Reverts", "Reverted"),
            "security": ("Security", "Security fixes", "🔒 Security")}  # fmt: skip


def sections(rng, r, style, head, bullet):
    """The changes of a release under a heading for each category."""
    lines = []
    for category in rng.sample(list(SECTIONS), len(SECTIONS)) if rng.random() < 0.3 else ("add", "change", "deprecate", "remove", "revert", "fix",
        "security"):
        own = [c for c in r.changes if c.category == category]
        if own:
            lines += [head.format(SECTIONS[category][style]), ""][: rng.choice((1, 2))] + [bullet + c.line for c in own] + [""]
    if r.chores:
        lines += [head.format(("Internal", "Maintenance", "🔧 Maintenance")[style])] + [bullet + c for c in r.chores] + [""]
    return lines


def write_keep(rng, task, told, extra):
    out = ["# Changelog", "", f"All notable changes to {extra['pkg']} are listed here.", ""] if rng.random() < 0.8 else []
    style, heading = rng.choice((0, 0, 0, 1)), rng.choice(("## [{v}] - {d}", "## [{v}] - {d}", "## {v} ({d})", "## {v} – {d}", "### {v}, {d}"))
    if told[0].day and rng.random() < 0.3 and len(told) > 2 and extra["down"]:
        word, told[0].v = task.mark("Unreleased")
        told[0].version, told[0].text, told[0].d, told[0].day, told[0].a = word, "the unreleased version", None, None, None
        told[0].remark, told[0].remarks = "", {}
    for r in told:
        out += [heading.format(v=r.version, d=r.date) if r.d is not None else f"## [{r.version}]", ""]
        if r.remark:
            out += [r.remark, ""]
        out += sections(rng, r, style, "### {}", rng.choice(("- ", "- ", "* ")))
    return "\n".join(out), {"date"}


def write_github(rng, task, told, extra):
    out = []
    for r in told:
        out.append(rng.choice(("{pkg} {v}", "Release {v}", "{v}", "# {v}")).format(pkg=extra["pkg"], v=r.version))
        out.append(rng.choice(("{a} released this {d}", "released this by {a} on {d}", "@{a} · {d}")).format(a=r.author, d=r.date))
        out.append("")
        if r.remark:
            out += [rng.choice(("> **Note**\n> ", "⚠️ ", "", "**Attention:** ")) + r.remark, ""]
        if rng.random() < 0.6:
            out += sections(rng, r, rng.choice((1, 2)), "## {}", "* ")
        else:
            out += ["## What's Changed"] + ["* " + c.line for c in r.changes] + ["* " + c for c in r.chores] + [""]
        if rng.random() < 0.5:
            out += [f"**Full Changelog**: compare/{strip(r.version)}", ""]
    return "\n".join(out), {"date", "author"}


def write_news(rng, task, told, extra):
    heading = rng.choice(("Changes in {v} ({d})", "Version {v} -- {d}", "{pkg} {v}, {d}", "* Noteworthy changes in release {v} ({d}) [stable]",
        "{v} ({d})", "NEW IN {v} ({d})", "What's new in {v}? ({d})"))
    rule, bullet = rng.choice(("", "", "=", "-", "~")), rng.choice(("* ", "- ", "  o ", "  * ", "** ", "• ", "    "))
    width = rng.choice((68, 74, 80, 500))
    out = [rng.choice((f"NEWS for {extra['pkg']}", f"{extra['pkg']} – history of changes", f"{extra['pkg']} release notes", "")), ""]
    for r in told:
        line = heading.format(v=r.version, d=r.date, pkg=extra["pkg"])
        out += [line, rule * len(strip(line))] if rule else [line, ""]
        if r.remark:
            out += [wrapped(r.remark, width, "", ""), ""]
        out += [wrapped(c, width, bullet, " " * len(bullet)) for c in [*(x.line for x in r.changes), *r.chores]] + [""]
    return "\n".join(out), {"date"}


def write_prose(rng, task, told, extra):
    """Announcements: a paragraph for each release."""
    out = []
    for r in told:
        opening = rng.choice(("{pkg} {v} was released on {d}.", "On {d} we published {pkg} {v}.", "{d}: {pkg} {v} is out.",
            "Version {v} ({d}) is available for download."))
        lines = [end_stop(c.line) for c in r.changes]
        out.append(" ".join([opening.format(pkg=extra["pkg"], v=r.version,
            d=r.date)] + lines + ([r.remark] if r.remark else []) + [c + "." for c in r.chores]))
    return "\n\n".join(out), {"date"}


def end_stop(text):
    return text if strip(text).endswith((".", ")", "]", "!")) and not strip(text).endswith("()") else text + "."


def write_table(rng, task, told, extra):
    order = rng.choice((("Version", "Date", "Change"), ("Date", "Version", "Description"), ("Release", "Released", "By", "What")))
    left, joint, right = rng.choice((("| ", " | ", " |"), ("", "\t", ""), ("", ";", ""), ("", " | ", "")))
    rows = [order]
    for r in told:
        for c in r.changes:
            first = c is r.changes[0]
            cells = {"Version": r.version, "Release": r.version, "Date": r.date, "Released": r.date, "By": r.author}
            # Repeated cells bear the marks of their first place only.
            cells = cells if first else {k: strip(x) for k, x in cells.items()}
            rows.append(tuple(cells.get(k, c.line) for k in order))
        r.remark, r.remarks = "", {}
    lines = [left + joint.join(x.replace(joint.strip() or "\t", ",") for x in row) + right for row in rows]
    if left:
        lines.insert(1, "|" + "---|" * len(order))
    return "\n".join(lines), {"date", "author"} if "By" in order else {"date"}


def git_date(d):
    return f"{DAYS[d.weekday()]} {MONTHS[d.month - 1][:3]} {d.day} {d.year}"


def write_git(rng, task, told, extra):
    kind, out = rng.random(), []
    for r in told:
        r.changes = r.changes[:1]
        sha = "".join(rng.choices(needles.HEX, k=40 if kind < 0.12 else 7 if kind < 0.6 else 10))
        r.version, r.v = task.mark(sha)
        r.text, r.remark, r.remarks = sha[:8], "", {}
        body = [c.line for c in r.changes]
        if kind < 0.7:
            r.shown_author = True
            lines = [f"commit {r.version}", f"Author: {r.author} <{extra['mails'][r.author_name][0]}>",
                f"Date:   {r.date} {rng.randint(6, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02} +0200", ""]
            if rng.random() < 0.15:
                lines.insert(1, f"Merge: {''.join(rng.choices(needles.HEX, k=7))} {''.join(rng.choices(needles.HEX, k=7))}")
            out.append("\n".join(lines + ["    " + b for b in body] + [""]))
        else:
            out.append(f"{r.version} {r.date} {r.author}: " + "; ".join(body))
    return "\n".join(out), {"date", "commit", "mail"} if kind < 0.7 else {"date", "commit"}


WRITERS = (write_debian,) * 4 + (write_keep,) * 3 + (write_github,) * 2 + (write_news,) * 3 + (write_prose, write_table, write_rpm, write_git,
    write_git)
FORMS = {write_debian: deb_date, write_rpm: git_date, write_git: git_date}


# --- deployments

WHY_BACK = ("error rate above 2%", "checkout failed for guests", "migration took too long", "memory kept growing", "wrong prices in the cart",
    "login loop on phones", "missing translations", "search returned nothing",
            "health check failed", "partner interface rejected our requests")  # fmt: skip
CONTENT = ("new payment page", "faster search", "updated terms of use", "database migration {n}", "{lib} update", "{proto} for partners",
    "redesigned {page}", "{fmt} import", "fix for the {part}", "dark colours in the {page}",
           "{tongue} texts", "removal of {old_proto}", "larger uploads", "rewritten {part}", "feature flag for {cmd}")  # fmt: skip


def deployment(rng, words):
    doc = Doc(rng, words)
    form, day, out = bank.date_form(rng), datetime.date(rng.randint(2017, 2025), rng.randint(1, 12), rng.randint(1, 28)), []
    style = rng.choice(("lines", "table", "prose", "fields", "fields"))
    services = rng.sample(SERVICES, rng.randint(2, 4))
    team = [needles.name(rng) for _ in range(rng.randint(2, 5))]
    seen = set()
    rows = []
    build = {s: [rng.randint(1, 9), rng.randint(0, 30), rng.randint(0, 9)] for s in services}
    count = rng.choice((3, 6, 9, 12, 15, 18))
    for _ in range(count):
        svc = rng.choice(services)
        build[svc][rng.choice((1, 2, 2))] += 1
        ver = ".".join(map(str, build[svc]))
        if ver in seen:
            continue
        seen.add(ver)
        what = doc.values.fill(rng.choice([c for c in CONTENT if c not in seen]), {})
        if what in seen:
            continue
        seen.add(what)
        back = rng.random() < 0.35 and not seen.issuperset(WHY_BACK)
        f = {"svc": svc, "ver": ver, "d": form(day), "t": f"{rng.randint(6, 22)}:{rng.randint(0, 59):02}", "who": rng.choice(team),
            "ok": needles.name(rng), "what": what, "env": rng.choice(("production", "production", "staging", "pre-production", "EU production",
                "US region")),
             "ticket": f"{rng.choice(('CHG', 'REL', 'OPS'))}-{rng.randint(100, 9999)}", "down": rng.choice(("no downtime",
                 f"{rng.randint(2, 25)} minutes of downtime", "read-only for 5 minutes")),
                     "why": rng.choice([w for w in WHY_BACK if w not in seen] or WHY_BACK)}  # fmt: skip
        if back:
            seen.add(f["why"])
        t, m = {}, {}
        for k, v in f.items():
            t[k], m[k] = doc.mark(v)
        rows.append((f, t, m, back))
        day += datetime.timedelta(days=rng.randint(1, 12))
    for f, t, m, back in rows if rng.random() < 0.5 else rows[::-1]:
        undone = rng.choice(("rolled back: {why}", "ROLLBACK ({why})", "taken back, reason: {why}")).format(**t)
        if style == "table":
            out.append("| " + " | ".join((t["d"], t["svc"], t["ver"], t["env"], t["who"], t["what"], undone if back else "ok")) + " |")
        elif style == "lines":
            line = "{d} {t}  {svc} {ver} -> {env}  by {who} ({ticket}): {what}".format(**t)
            out.append(line + (f"; {undone}" if back else ""))
        elif style == "prose":
            out.append(rng.choice(("On {d} at {t} {who} brought {svc} {ver} to {env}: {what}. Approval came from {ok}; there was {down}.",
                "{svc} {ver} ({what}) went to {env} on {d} at {t}, installed by {who} and approved by {ok}, with {down}.",
                                   "{d}, {t}: {who} rolled out {svc} {ver} on {env} under change {ticket}. Contents: {what}. Approved by {ok}.",
            )).format(**t) + (f" {up(undone)}." if back else "") + "\n")  # fmt: skip
        else:
            out += [f"## {t['svc']} {t['ver']}", f"Date: {t['d']}, {t['t']}", f"Environment: {t['env']}", f"Deployed by: {t['who']}",
                f"Approved by: {t['ok']}", f"Change: {t['ticket']}", f"Contents: {t['what']}", f"Interruption: {t['down']}"]
            out += [f"Status: {undone}" if back else "Status: successful", ""]
        shown = {"table": {"env"}, "lines": {"t", "ticket", "env"}, "prose": {"t", "env"}, "fields": {"t", "ok", "ticket", "down", "env"}}[style]
        n, w = f"{f['svc']} {f['ver']}", f["what"]
        doc.ask((f"When was {n} deployed?", f"On what day did {n} go live?", f"When did the {w} arrive?"), m["d"], m["ver"])
        doc.ask((f"Who deployed {n}?", f"Who rolled out the {w}?", f"Who installed {n}?"), m["who"], m["ver"])
        doc.ask((f"What did {n} contain?", f"What was new in {n}?", f"What was {n} about?"), m["what"], m["ver"])
        doc.ask((f"Which version of {f['svc']} brought the {w}?", f"With which version came the {w}?", f"In which release is the {w}?"), m["ver"],
            m["what"])
        if back:
            doc.ask((f"Why was {n} rolled back?", f"What went wrong with {n}?", f"Why did they go back from {f['ver']}?"), m["why"], m["ver"],
                times=2)
            doc.ask((f"Which version was withdrawn because of this: {f['why']}?",), m["ver"], m["why"])
        else:
            doc.ask((f"Why was {n} rolled back?",), None)
        for k, qs in (("env", (f"Where was {n} installed?", f"To which environment did {n} go?")), ("t", (f"At what time was {n} rolled out?",)),
            ("ok", (f"Who approved {n}?", f"Who gave the go-ahead for the {w}?")),
                      ("ticket", (f"What is the change number of {n}?", f"Under which ticket did the {w} go out?")),
                          ("down", (f"How long was the service interrupted for {n}?", f"Was there an interruption for {n}?"))):  # fmt: skip
            if k in shown:
                doc.ask(qs, m[k], m["ver"])
            elif style != "prose":
                doc.ask(qs, None)
    if style == "table":
        head = rng.choice(("Date|Service|Version|Environment|By|Contents|Result", "When|What|Release|Target|Who|Description|Outcome")).split("|")
        out = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + out
    if rows:
        f, t, m, _ = rows[-1]
        doc.ask(("What was deployed last?", "Which version went out most recently?"), m["ver"], m["d"])
        doc.ask(("When was the last deployment?", "What is the date of the most recent rollout?"), m["d"])
    absent = rng.choice([s for s in SERVICES if s not in services])
    doc.ask((f"When was {absent} deployed?", f"Which version of {absent} is running?", f"Who installed {absent}?"), None)
    title = rng.choice(("Deployment log", "Release calendar of the web team", "# Deployments", "Change record", "Rollouts this quarter", ""))
    return doc.done((title + "\n\n" if title else "") + "\n".join(out))


def draw(rng, words):
    kinds = {history: 6, deployment: 1, **changes_events.KINDS}
    return rng.choices(list(kinds), list(kinds.values()))[0](rng, words)
