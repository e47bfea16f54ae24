"""What befell programs and services: security advisories, incident reports, logs, bug reports with threads, deployment notes. Used by changes.py."""

import datetime
import re

import needles
from changes_bank import ADVICE, CHATTER, IDLE, TOLD, Exhausted, Values, chosen, date_form, handle, package, pick_marks, up
from marked import Question, Task, strip

FIRMS = ("Northgate Labs|Blue Heron Security|Trellis Research|University of Graz|Kestrel Group|Ostrava Technical University|Redwood Analytics|"
    "Fathom Security|TU Delft|"
         "Harbour Point Consulting|Sable Networks|Quill Systems").split("|")  # fmt: skip
SERVICES = ("checkout payments login search billing catalogue mail-relay image-store reports api-gateway ticketing notifications scheduler booking "
    "user-profiles webshop "
            "data-export chat inventory video-encoder").split()  # fmt: skip
HOSTS = [f"{a}-{b}{n}" for a in ("db", "web", "app", "cache", "lb", "mail", "build", "node", "store") for b in ("eu", "fra", "us", "ams",
    "") for n in (1, 2, 3, 4, 7, 11)]


class Doc:
    """A document on the way: marks by name, questions, values."""

    def __init__(self, rng, words, **fixed):
        self.rng, self.words = rng, words
        self.task = Task("change", [], [], ordered=True, rows=True)
        self.pkg = package(rng, words)
        self.values = Values(rng, words, pkg=self.pkg, **fixed)
        self.asked, self.no = [], []

    def mark(self, text):
        return self.task.mark(text)

    def ask(self, templates, answer, *support, times=1, **kw):
        templates = [templates] if isinstance(templates, str) else templates
        for t in self.rng.sample(list(templates), min(times, len(templates))):
            to = self.asked if answer is not None else self.no
            to.append(Question(up(t.format(**kw)), [] if answer is None else [answer], [s for s in support if s is not None and s != answer]))

    def say(self, statements, more, own=None, times=2, support=()):
        """One of the statements, and questions about what is marked in it."""
        own = {} if own is None else own
        text, marks = pick_marks(self.task, self.values.fill(self.rng.choice(statements), own))
        text, whole = self.mark(text)
        for key, qs in more.items():
            if key == "ALL" or key in marks:
                for q in self.rng.sample(list(qs), min(times, len(qs))):
                    i = whole if key == "ALL" else marks[key]
                    self.asked.append(Question(up(self.values.fill(q, own)), [i], [s for s in (*support, whole) if s != i]))
        return text, whole, marks

    def done(self, text, most=14):
        self.task.facts = [text]
        return chosen(self.rng, self.task, self.asked, self.no, most)


# --- advisories

# (title, things, [statements], impact, workaround); what they are asked with stands in the questions below
HOLES = [
    ("Authentication bypass in the {part}", ("the login bypass", "the hole that let people in without a password"),
     ("The {part} [[cause:compares tokens only up to the first null byte]].",
         "The flaw exists because the {part} [[cause:skips the signature check for empty tokens]]."),
     ("A remote attacker [[impact:can log in as any user]].", "Successful exploitation [[impact:gives full access to all accounts]]."),
     ("[[work:Set {numset} to 0]] until the update can be installed.", "As a temporary measure, [[work:disable the {part}]].")),
    ("Remote code execution through {fmt} files", ("the code execution by prepared {fmt} files", "the {fmt} hole"),
     ("The reader of {fmt} files [[cause:trusts the length given in the header]].",
         "The root cause is that the decoder [[cause:does not limit the number of nested objects]]."),
     ("Opening a prepared file [[impact:runs commands with the rights of the user]].",
         "An attacker who sends such a file [[impact:can take over the server]]."),
     ("Administrators can [[work:remove the {fmt} plug-in]].", "Those who cannot update should [[work:reject {fmt} attachments at the gateway]].")),
    ("Cross-site scripting in the {page}", ("the script injection in the {page}", "the XSS problem"),
     ("File names [[cause:are put into the {page} unescaped]].", "The {page} [[cause:copies the search term into the HTML code]]."),
     ("Attackers [[impact:can steal the session cookies of administrators]].",
     "A victim who follows a link [[impact:loses control of the account]]."),
     ("[[work:A strict content security policy]] stops the attack.", "The attack can be prevented by [[work:turning off inline scripts]].")),
    ("Denial of service over {proto}", ("the {proto} denial of service", "the hole by which the server can be brought down"),
     ("The server [[cause:allocates memory before it checks the size of a request]].", "Half-open {proto} connections [[cause:are never closed]]."),
     ("By sending many small packets anyone [[impact:can make the service unavailable]].",
         "A single client [[impact:can use up all memory of the machine]]."),
     ("[[work:Limiting connections per address in the firewall]] reduces the risk.", "Until then [[work:{proto} should be switched off]].")),
    ("Information leak in {file}", ("the leak by way of {file}", "the disclosure of secrets"),
     ("Passwords [[cause:were written to {file} in debug mode]].", "{file} [[cause:was created before its permissions were set]]."),
     ("Local users [[impact:can read the credentials of the database]].", "Any account on the machine [[impact:can see the private keys]]."),
     ("[[work:chmod 600 {file}]] closes the hole by hand.", "Changing the log level to [[work:warning]] avoids the problem.")),
    ("Privilege escalation in the {part}", ("the escalation of rights", "the way for local users to become root"),
     ("The {part} [[cause:follows symbolic links in /tmp]].", "A helper of the {part} [[cause:is started with an unclean PATH]]."),
     ("Local users [[impact:can become root]].", "An unprivileged account [[impact:can overwrite any file on the system]]."),
     ("[[work:Removing the setuid bit from the helper]] is enough for now.", "Mounting [[work:/tmp with the nosymfollow option]] prevents it.")),
    ("Request smuggling in the {part}", ("the request smuggling", "the hole concerning smuggled requests"),
     ("The {part} [[cause:accepts two length headers in one request]].", "It [[cause:treats a lone line feed as the end of a header]]."),
     ("Requests of other users [[impact:can be read and altered]].", "This way [[impact:access rules of the proxy can be evaded]]."),
     ("Users may [[work:force HTTP/1.0 between proxy and server]].", "It helps to [[work:turn off connection reuse]].")),
    ("Weak random numbers in {func}", ("the predictability of keys", "the weakness of the random numbers"),
     ("{func} [[cause:was seeded with the time of day]].", "The generator behind {func} [[cause:fell back to process numbers on old kernels]]."),
     ("Session keys [[impact:can be guessed within hours]].", "With some effort [[impact:recorded traffic can be decrypted]]."),
     ("There is no complete remedy, but [[work:renewing all keys once a day]] limits the damage.",
         "[[work:Installing the haveged daemon]] helps on affected systems.")),
    ("Missing certificate check for {proto}", ("the lack of checks for {proto} certificates", "the missing check of certificates"),
     ("The client [[cause:ignores the host name in the certificate]].",
         "Since the rewrite of the {part}, it [[cause:accepts expired certificates]]."),
     ("Someone on the network path [[impact:can read and change all data]].", "This [[impact:allows attackers to pose as the server]]."),
     ("[[work:A tunnel over SSH]] protects the connection in the meantime.", "One can [[work:pin the certificate in {file}]].")),
]  # fmt: skip
SEVERITIES = {"Critical": (90, 100), "High": (70, 89), "Important": (70, 89), "Medium": (40, 69), "Moderate": (40, 69), "Low": (12, 39)}
LABELS = {
    "id": ("Advisory ID", "ID", "Reference"), "cve": ("CVE", "CVE ID", "Identifier"), "severity": ("Severity", "Rating", "Risk"),
        "score": ("CVSS score", "CVSS 3.1", "Base score"),
    "affected": ("Affected versions", "Vulnerable", "Affects"), "fixed": ("Fixed in", "Patched versions", "First fixed release", "Solution"),
        "credit": ("Reported by", "Credit", "Discovered by"),
    "published": ("Published", "Date", "Release date"), "reported": ("Reported on", "Received", "Vendor notified"),
        "product": ("Product", "Package", "Component"),
}  # fmt: skip


def advisory(rng, words):
    doc = Doc(rng, words)
    form, many = date_form(rng), rng.choice((1, 1, 2, 3, 4, 5))
    style = rng.choice(("fields", "fields", "table", "prose", "bold"))
    labels = {k: rng.choice(v) for k, v in LABELS.items()}
    prefix = rng.choice(("SA", "ADV", "GHSA", "DSA", "SEC", "VU", doc.pkg.upper()[:4]))
    out, year = [rng.choice((f"Security advisories for {doc.pkg}", f"{doc.pkg}: security", f"# Security bulletins of the {doc.pkg} project",
        ""))] if many > 1 else [], rng.randint(2014, 2025)
    optional = {k for k in ("score", "credit", "reported", "work", "published") if rng.random() < 0.8}
    number = rng.randint(10, 60)
    for hole in rng.sample(HOLES, many):
        title, things, causes, impacts, works = hole
        own, number = {}, number + rng.randint(1, 9)
        title = doc.values.fill(title, own)
        things = [doc.values.fill(t, own) for t in things]
        x = (lambda things=things: rng.choice(things)) if many > 1 else (lambda things=things: rng.choice((*things, "the problem", "the hole",
            "this vulnerability")))
        major, minor = rng.randint(1, 9), rng.randint(2, 9)
        first, last, fix = f"{major}.{rng.randint(0, minor - 1)}.0", f"{major}.{minor}.{rng.randint(2, 8)}", f"{major}.{minor}.{rng.randint(9, 14)}"
        day = datetime.date(year, rng.randint(3, 12), rng.randint(1, 28))
        early = day - datetime.timedelta(days=rng.randint(12, 110))
        cve_text = f"CVE-{year}-{rng.randint(1000, 59999)}"
        value = {
            "product": doc.pkg, "id": f"{prefix}-{year}-{number:03}", "cve": cve_text, "severity": (severity := rng.choice(list(SEVERITIES))),
                "score": f"{rng.randint(*SEVERITIES[severity]) / 10}",
            "affected": rng.choice((f"{first} to {last}", f"{first} – {last}", f"all versions before {fix}", f">= {first}, < {fix}",
                f"{last} and earlier")), "fixed": fix, "credit": needles.name(rng), "published": form(day), "reported": form(early),
        }  # fmt: skip
        shown, m = {}, {}
        for k, v in value.items():
            shown[k], m[k] = doc.mark(v)
        head, title_mark = doc.mark(title)
        firm = rng.choice(FIRMS)
        firm_shown, m["firm"] = doc.mark(firm)
        credit = f"{shown['credit']} of {firm_shown}" if (with_firm := rng.random() < 0.5) else shown["credit"]
        order = [k for k in ("id", "cve", "product", "severity", "score", "affected", "fixed", "credit", "reported",
            "published") if k in optional or k not in ("score", "credit", "reported", "published")]
        has = set(order)
        if style == "prose":
            text = [rng.choice(("{head} ({id}, {cve})", "[{id}] {head}", "{id} – {head}")).format(head=head, **shown), ""]
            body = [rng.choice(("The problem is present in {affected}.", "Vulnerable: {affected}.", "This concerns {affected}.")).format(**shown),
                    rng.choice(("Version {fixed} contains the correction.", "It has been corrected in {fixed}.",
                        "Users should update to {fixed}.")).format(**shown),
                    rng.choice(("We rate the severity as {severity}.", "Severity: {severity}.",
                        "The risk is considered {severity}.")).format(**shown)]
            if "credit" in has:
                body.append(rng.choice(("We thank {c} for telling us.", "The flaw was discovered by {c}.", "Credit goes to {c}.")).format(c=credit))
            if "reported" in has and "published" in has:
                body.append(rng.choice(("We learnt of it on {reported}; this text was published on {published}.",
                    "First contact: {reported}. Disclosure: {published}.")).format(**shown))
            else:
                has -= {"reported", "published"}
            if "[{id}]" not in text[0] and cve_text not in strip(text[0]):
                body.append("The identifier " + shown["cve"] + " has been assigned.")
            elif cve_text not in strip(text[0]):
                body.append(f"It is tracked as {shown['cve']}.")
            has -= {"score", "product"}
            fields = [" ".join(body)]
        else:
            show = {**shown, "credit": credit}
            pairs = [(labels[k], show[k]) for k in order]
            text = [rng.choice(("## ", "", "### ")) + head, ""]
            if style == "table":
                fields = ["| Field | Value |", "|---|---|"] + [f"| {a} | {b} |" for a, b in pairs]
            elif style == "bold":
                fields = [f"**{a}:** {b}" for a, b in pairs]
            else:
                wide = max(len(a) for a, _ in pairs) + 2
                fields = [f"{a}:".ljust(wide) + b for a, b in pairs]
        text += fields + [""]
        xs = {"x": x()}
        cause, _, _ = doc.say(causes, {"cause": ("What causes {x}?".replace("{x}", xs["x"]), "Why is {x} possible?".replace("{x}", x()),
            "What is the technical reason for {x}?".replace("{x}", x()))}, own, support=[title_mark])
        impact, _, _ = doc.say(impacts, {"impact": (f"What can an attacker do with {x()}?", f"What are the consequences of {x()}?",
            f"What is the danger of {x()}?", f"What happens to those who are hit by {x()}?")}, own, support=[title_mark])
        parts = [rng.choice(("Description: ", "", "Details\n", "")) + cause + " " + impact]
        if "work" in optional and rng.random() < 0.8:
            work, _, _ = doc.say(works, {"work": (f"What can I do about {x()} if I cannot update?", f"Is there a workaround for {x()}?",
                f"How can I protect myself from {x()} in the meantime?", f"What helps against {x()} until the patch is in?")}, own,
                    support=[title_mark])
            parts.append(rng.choice(("Workaround: ", "Mitigation: ", "", "Workarounds\n")) + work)
        else:
            if many > 1 and rng.random() < 0.5:
                parts.append(rng.choice(("Workaround: none.", "No workaround is known.")))
            else:
                doc.ask((f"What is the workaround for {x()}?", f"What can be done about {x()} without an update?"), None)
        parts.append(" ".join(rng.sample(ADVICE, rng.choice((0, 1, 2, 3, 4)))))
        out += [*text, *([p + "\n" for p in parts] if rng.random() < 0.6 else [" ".join(parts)]), ""]
        doc.ask((f"Which versions have {x()}?", f"Which versions are affected by {x()}?", f"What versions are vulnerable to {x()}?",
            f"Am I affected by {x()}?"), m["affected"], title_mark, times=2)
        doc.ask((f"Which version fixes {x()}?", f"What do I have to update to because of {x()}?", f"Where is {x()} repaired?",
            "In which release is {c} fixed?", "{c}: fixed in?"), m["fixed"], title_mark, times=2, c=cve_text)
        doc.ask((f"How bad is {x()}?", f"How serious is {x()}?", "What is the severity of {c}?", "How dangerous is {c}?"), m["severity"], title_mark,
            c=cve_text)
        doc.ask((f"Which CVE is {x()}?", f"What is the CVE number of {x()}?", f"Under what CVE is {x()} known?"), m["cve"], title_mark)
        doc.ask(("What kind of problem is {c}?", "What is {c} about?", "What does {i} deal with?"), title_mark, m["cve"], c=cve_text, i=value["id"])
        if "score" in has:
            doc.ask((f"What CVSS score does {x()} have?", "How many CVSS points does {c} get?", "{c} score"), m["score"], title_mark, c=cve_text)
        else:
            doc.ask((f"What is the CVSS score of {x()}?",), None)
        if "credit" in has:
            doc.ask((f"Who found {x()}?", f"Who discovered {x()}?", "Who reported {c}?", f"Who told them about {x()}?"), m["credit"], title_mark,
                times=2, c=cve_text)
            if with_firm:
                doc.ask((f"Where does the finder of {x()} work?", "Which organisation does {p} belong to?"), m["firm"], m["credit"],
                    p=value["credit"])
        else:
            doc.ask((f"Who discovered {x()}?", f"Who reported {x()}?"), None)
        if "published" in has:
            doc.ask((f"When was {x()} made public?", "When was {i} published?", f"On which day did the public learn of {x()}?"), m["published"],
                title_mark, i=value["id"])
        if "reported" in has:
            doc.ask((f"When did the developers learn of {x()}?", f"When was {x()} reported to them?", "When was the vendor told about {c}?"),
                m["reported"], title_mark, c=cve_text)
        else:
            doc.ask((f"When was the vendor told about {x()}?",), None)
        doc.ask((f"Who has already been attacked through {x()}?", f"How many users were hit by {x()}?"), None)
    return doc.done("\n".join(out))


# --- incidents

# (title, things, cause, detection, impact, fix, aggravation, [actions])
INCIDENTS = [
    (("Outage of {svc}", "{svc} unavailable"), ("An expired TLS certificate", "The certificate of the load balancer, which had run out at midnight,"),
     ("brought down", "cut off all access to", "was the reason for the failure of"), ("installing a new certificate",
         "renewing the certificate by hand"),
     ("the renewal job had been switched off in March", "the reminder mails went to a former employee"),
         ("Renew certificates automatically", "Warn 30 days before a certificate ends")),
    (("Database outage", "{svc}: database down"), ("A full disk on {host}", "A runaway query log that filled the disk of {host}"),
     ("stopped", "took down", "made the database refuse writes and broke"), ("deleting old logs and restarting the database",
         "moving the data to a larger volume"),
     ("the disk alarm had been muted for maintenance", "nobody looked after the alerts at the weekend"),
         ("Add an alarm at 80% disk usage", "Rotate query logs daily")),
    (("Slow responses of {svc}", "{svc} degraded"), ("A missing index after the migration",
        "A query without an index, introduced with release {ver},"),
     ("overloaded", "slowed down", "made requests pile up in"), ("creating the index again", "rolling back release {ver}"),
     ("the test database holds only a few rows", "the load test had been skipped"), ("Review query plans before a release",
         "Run load tests with production-size data")),
    (("Failed deployment of {svc}", "{svc} down after a release"), ("A wrong value of {numset} in release {ver}",
        "A typo in {file}, shipped with release {ver},"),
     ("kept all workers of", "crashed", "prevented the start of"), ("going back to the previous release", "correcting {file} on all machines"),
     ("the canary stage was skipped to save time", "the check of the configuration ignores warnings"),
         ("Validate configuration in the build", "Make the canary stage mandatory")),
    (("Network failure", "{svc} unreachable from outside"), ("A faulty switch in rack {n}", "A firmware bug in the core router"),
     ("isolated", "cut the connection to", "made it impossible to reach"), ("replacing the switch", "rebooting the router with older firmware"),
     ("the spare line was connected to the same switch", "the failover had never been tested"), ("Test the failover every quarter",
         "Connect the spare line to a second router")),
    (("Message backlog in {svc}", "Delayed e-mails from {svc}"), ("A stuck consumer", "A poison message that could not be decoded"),
     ("blocked the queue of", "held up all work of", "brought to a halt"), ("removing the message and restarting the consumer",
         "doubling the number of consumers"),
     ("the queue length was not monitored", "retries had no upper limit"), ("Move undecodable messages aside", "Alert on queue length")),
    (("Data loss in {svc}", "Missing records in {svc}"), ("A clean-up script run against production", "A retention job with the wrong cut-off date"),
     ("deleted records of", "wiped part of the data behind", "removed live data from"), ("restoring the nightly backup",
         "replaying the write-ahead log"),
     ("test and production share the same account names", "the script had no dry run"), ("Require a second person for destructive scripts",
         "Separate production credentials")),
    (("Login failures", "Users locked out of {svc}"), ("A clock that was four minutes slow on {host}",
        "A time server that answered with the wrong date"),
     ("invalidated all tokens for", "made logins fail in", "kept users out of"), ("correcting the clock", "switching to another time server"),
     ("only one time source was configured", "clock drift is not monitored"), ("Use at least three time servers", "Monitor clock drift")),
    (("Memory exhaustion in {svc}", "{svc} restarting in a loop"), ("A memory leak in version {ver}", "An unbounded cache, new in version {ver},"),
     ("killed the processes of", "exhausted the machines of", "led to constant restarts of"), ("limiting the cache size",
         "downgrading to the version before"),
     ("restarts by the watchdog hid the leak for days", "memory graphs cover only one hour"), ("Keep memory graphs for 30 days",
         "Alert on repeated restarts")),
    (("Third-party outage", "{svc} affected by its provider"), ("A power cut in the provider's data centre",
        "A broken DNS update at our hosting provider"),
     ("made it impossible to reach", "disabled", "hit"), ("pointing the traffic to the second region", "switching to another resolver"),
     ("the second region had too little capacity", "DNS answers were cached for six hours"), ("Keep capacity for a full failover",
         "Lower the DNS cache time")),
]  # fmt: skip
FOUND = ("[[how:A customer called]] the support line at {t}.", "The problem was noticed at {t} through [[how:an alarm of the monitoring system]].",
    "At {t} [[how:the on-call pager went off]].",
         "It was [[how:a tweet by a user]] that drew our attention to it at {t}.", "Detection: [[how:synthetic check failed]] ({t})",
             "[[how:The morning smoke test]] showed the failure at {t}.")  # fmt: skip


OLDER = ("a broken cable", "an overheated server room", "a mistyped firewall rule", "a failed disk controller", "a botched kernel update",
    "an unpaid domain", "a crashed backup job", "a lost power supply")


def span(rng, minutes):
    h, m = divmod(minutes, 60)
    if not h:
        return rng.choice((f"{m} minutes", f"{m} min"))
    if not m:
        return f"{h} hour{'s' * (h > 1)}"
    return rng.choice((f"{h} hour{'s' * (h > 1)} and {m} minutes", f"{h} h {m} min", f"{h}h{m:02}m"))


def incident(rng, words):
    svc, other = rng.sample(SERVICES, 2)
    ver = f"{rng.randint(1, 9)}.{rng.randint(0, 30)}.{rng.randint(0, 9)}"
    doc = Doc(rng, words, svc=svc, host=rng.choice(HOSTS), ver=ver)
    titles, causes, verbs, fixes, worse, actions = rng.choice(INCIDENTS)
    own, form = {}, date_form(rng)
    day = datetime.date(rng.randint(2016, 2025), rng.randint(1, 12), rng.randint(1, 28))
    start = rng.randint(0, 18 * 60)
    found, ack, known, eased, end = (start + k for k in sorted(rng.sample(range(2, rng.choice((60, 140, 330))), 5)))
    zone = rng.choice(("", " UTC", " UTC", " CET", "Z"))

    def at(t):
        return f"{t // 60 % 24:02}:{t % 60:02}{zone}"

    t, m = {}, {}
    for k, v in (("date", form(day)), ("start", at(start)), ("found", at(found)), ("ack", at(ack)), ("known", at(known)), ("eased", at(eased)),
        ("end", at(end)), ("long", span(rng, end - start)),
                 ("cause", doc.values.fill(rng.choice(causes), own).rstrip(",")), ("fix", doc.values.fill(rng.choice(fixes), own)),
                     ("worse", rng.choice(worse)), ("svc", svc),
                 ("commander", needles.name(rng)), ("author", needles.name(rng)), ("oncall", needles.name(rng)),
                 ("share", rng.choice((f"{rng.randint(3, 90)}% of all visitors", f"about {rng.randint(2, 90) * 100:,} customers",
                     f"{rng.randint(2, 40)} of our {rng.randint(41, 60)} shops", "all users in Europe", "every user who tried to log in"))),
                 ("money", rng.choice((f"€{rng.randint(2, 90) * 1000:,}", f"${rng.randint(2, 900) * 1000:,}",
                     f"{rng.randint(20, 900)} lost orders"))), ("id", f"INC-{rng.randint(100, 9999)}"),
                 ("level", rng.choice(("SEV-1", "SEV-2", "P1", "P2", "major", "Sev 3")))):  # fmt: skip
        t[k], m[k] = doc.mark(v)
    bare = {k: strip(v) for k, v in t.items()}
    low = re.sub(r"\b(A|An|The)\b", lambda a: a.group().lower(), t["cause"], count=1)
    title = doc.values.fill(rng.choice(titles), own)
    verb = rng.choice(verbs)
    tail = "" if "kept all" not in verb else " from starting"
    comma = "," if "," in bare["cause"] else ""
    summary = rng.choice((
        "On {date}, from {start} to {end}, {low}{comma} {verb} {svc}{tail}.",
            "{cause}{comma} {verb} {svc}{tail}. It began on {date} at {start}, and normal operation was restored at {end}.",
        "{svc} was disrupted on {date}. Start: {start}. End: {end}. Root cause: {low}{comma} which {verb} it{tail}.")).format(verb=verb, tail=tail,
            comma=comma, low=low, **t)  # fmt: skip
    # Behind "Root cause" the clause needs a comma of its own.
    summary = up(summary) if "which " not in summary else summary.replace(f"{low}{comma} which", f"{low}, which").replace(f" {verb} it",
        " hit the service").replace(" hit the service from starting", " hit the service")
    has_long, has_money, has_share = rng.random() < 0.8, rng.random() < 0.5, rng.random() < 0.8
    if has_long:
        summary += " " + rng.choice(("In all it lasted {long}.", "Total duration: {long}.", "The service was down for {long}.")).format(**t)
    effect = []
    if has_share:
        effect.append(rng.choice(("This touched {share}.", "{share} saw errors.", "Those concerned: {share}.")).format(**t))
        effect[-1] = up(effect[-1])
    if has_money:
        effect.append(rng.choice(("The loss is put at {money}.", "We estimate the damage at {money}.", "Cost: {money}.")).format(**t))
    if rng.random() < 0.6:
        effect.append(rng.choice((f"{up(other)} was not affected.", f"{up(other)} went on working normally.", f"There was no effect on {other}.")))
    shown_how = doc.say(FOUND, {"how": ("How was the problem detected?", "How did they find out about it?", "Who or what raised the alarm?",
        "What drew attention to the failure?")}, {"t": t["found"]})[0]
    heads = rng.choice((("Summary", "Impact", "Timeline", "Root cause", "Resolution", "Action items"),
        ("What happened", "Who was affected", "Course of events", "Why it happened", "How we fixed it", "What we will do"),
                        ("Overview", "Effects", "Chronology", "Cause", "Recovery", "Follow-up")))  # fmt: skip
    style = rng.choice(("## {}", "{}", "{}:", "**{}**", "=== {} ==="))
    meta = [("Incident", t["id"]), (rng.choice(("Severity", "Level", "Priority")), t["level"]), (rng.choice(("Incident commander", "Lead",
        "Coordinated by")), t["commander"]), (rng.choice(("Author", "Written by", "Report by")), t["author"])]
    shown_meta = [p for p in meta if rng.random() < 0.8]
    on_call = rng.choice(("{oncall} acknowledges the alert", "{oncall} takes over", "{oncall} (on call) starts to investigate",
        "call accepted by {oncall}")).format(**t)
    events = [
        (t["ack"], on_call), (t["known"], rng.choice(("cause identified", "the cause is found", "it becomes clear what is wrong",
            "team finds the origin of the fault"))),
        (t["eased"], rng.choice(("first users can work again", "error rate falls below 5%", "traffic begins to recover",
            "partial service restored")))]  # fmt: skip
    sep = rng.choice((" - ", "  ", " – ", ": ", " | "))
    bullet = rng.choice(("- ", "* ", "", "", "| "))
    timeline = [f"{bullet}{bare['start']}{sep}{rng.choice(('first errors in the logs', 'requests begin to fail', 'error rate rises'))}",
        f"{bullet}{bare['found']}{sep}alert / report received"]
    timeline += [f"{bullet}{a}{sep}{b}" for a, b in events]
    timeline.append(f"{bullet}{bare['end']}{sep}{rng.choice(('incident closed', 'all clear', 'back to normal'))}")
    why = rng.choice(("The cause was that described above. It became worse because {worse}.", "What made it possible: {worse}.",
        "Contributing factor: {worse}.", "The fault could grow because {worse}.")).format(**t)
    cure = rng.choice(("Service was restored by {fix}.", "The problem was solved by {fix}.", "What helped in the end was {fix}.",
        "We recovered by {fix}.")).format(**t)
    items, rows = [*actions, *rng.sample(("Write a runbook", "Update the status page faster", "Train the support team", "Review on-call times",
        "Add a dashboard"), 2)], []
    rng.shuffle(items)
    form_item = rng.choice(("- {a} ({p}, due {d})", "- [ ] {a} – owner: {p}, by {d}", "* {p}: {a} (until {d})", "| {a} | {p} | {d} |",
        "{a}; responsible: {p}; deadline: {d}"))
    for a in items:
        who, w = doc.mark(needles.name(rng))
        due, d = doc.mark(form(day + datetime.timedelta(days=rng.randint(5, 90))))
        what, i = doc.mark(a)
        lower = a[0].lower() + a[1:]
        rows.append(form_item.format(a=what, p=who, d=due))
        doc.ask((f"Who is to {lower}?", f"Who has to {lower}?", f"Whose task is it to {lower}?"), w, i)
        doc.ask((f"By when do they have to {lower}?", f"Until when is there time to {lower}?", f"What is the deadline for this: {lower}?"), d, i)
        doc.ask((f"What does {strip(who)} have to do?", f"What is the task of {strip(who)}?"), i, w)
    if rng.random() < 0.6:  # an older one, to be kept apart from this
        before = {"d": form(day - datetime.timedelta(days=rng.randint(20, 400))), "l": span(rng, rng.randint(4, 300)),
            "i": f"INC-{rng.randint(10, 99)}", "c": rng.choice(OLDER)}
        b, n = {}, {}
        for k, v in before.items():
            b[k], n[k] = doc.mark(v)
        cure += "\n\n" + rng.choice((
            "A similar failure, {i}, occurred on {d}. It lasted {l} and went back to {c}; the two are not connected.",
                "This was not the first time: on {d} ({i}) the service had been away for {l} because of {c}.",
            "Compare {i} of {d}, when {c} led to an interruption of {l}.")).format(**b)  # fmt: skip
        doc.ask(("When was the earlier failure?", "On what day had there been a similar incident?"), n["d"])
        doc.ask(("What had caused the earlier incident?", f"What was the reason for {before['i']}?"), n["c"])
        doc.ask(("How long did the earlier outage last?", f"How long did {before['i']} take?"), n["l"])
        doc.ask(("Which earlier incident is mentioned?", "What is the number of the incident before?"), n["i"])
    summary, why, cure = (" ".join([p, *rng.sample(TOLD[5 * i : 5 * i + 5], rng.choice((0, 1, 2, 3)))]) for i, p in enumerate((summary, why, cure)))
    body = [summary, " ".join(effect) or "No data was lost.", shown_how + "\n" + "\n".join(timeline), why, cure, "\n".join(rows)]
    text = [rng.choice(("Postmortem: {t}", "# Incident report – {t}", "{t}", "Incident review: {t}", "RCA {t}")).format(t=title), ""]
    text += [f"{a}: {b}" for a, b in shown_meta] + [""]
    for h, b in zip(heads, body):
        text += [style.format(h), b, ""]
    shown = {strip(b) for _, b in shown_meta}
    s = svc
    doc.ask((f"What caused the outage of {s}?", "What was the root cause?", f"Why did {s} fail?", "What was the reason for the incident?",
        f"What went wrong with {s}?"), m["cause"], times=2)
    doc.ask((f"Which service was hit?", "What was not working?", "Which system failed?"), m["svc"])
    doc.ask(("On what day did it happen?", "When was the incident?", f"What was the date of the failure of {s}?"), m["date"])
    doc.ask(("When did it start?", f"At what time did {s} begin to fail?", "When did the first errors occur?", "What time did the trouble begin?"),
        m["start"], m["date"])
    doc.ask(("When was everything back to normal?", "When did it end?", f"At what time was {s} running again?", "When was the incident over?"),
        m["end"])
    for k, ok, qs in (("long", has_long, ("How long did it last?", f"How long was {s} down?", "What was the duration of the outage?",
        "How much downtime was there?")),
                      ("share", has_share, ("Who was affected?", "How many were affected?", "How big was the impact?",
                          "How far did the effects reach?")),
                      ("money", has_money, ("How much did it cost?", "What was the damage?", "How great was the loss?"))):  # fmt: skip
        # Without a stated duration the clock times would have to be subtracted: not to be copied.
        doc.ask(qs, m[k] if ok else None, times=2 if ok else 1)
    doc.ask(("How was it fixed?", f"What brought {s} back?", "What did they do to recover?", "How was service restored?"), m["fix"], times=2)
    doc.ask(("What made things worse?", "Why was it not prevented?", "Which weakness did the incident show?", "What else contributed to it?"),
        m["worse"])
    doc.ask(("When was the problem detected?", "At what time did they notice?"), m["found"])
    doc.ask(("Who answered the alert?", "Who was on call?", "Who took over the investigation?"), m["oncall"])
    doc.ask(("When was the cause found?", "At what time did they know what was wrong?"), m["known"])
    doc.ask(("When did it get better?", "At what time was there first improvement?"), m["eased"])
    for k, qs in (("commander", ("Who led the response?", "Who was in charge?", "Who coordinated the work?")),
        ("author", ("Who wrote the report?", "Who is the author of this report?")),
                  ("id", ("What is the incident number?", "Under what number is it filed?")), ("level",
                      ("How severe was it rated?", "Which severity level was it given?"))):  # fmt: skip
        doc.ask(qs, m[k] if bare[k] in shown else None)
    doc.ask((f"Why was {other} down?", "Which customers asked for compensation?", "How much compensation was paid?",
        "When will the external audit take place?"), None)
    return doc.done("\n".join(text))


# --- logs

# (service, level, [statements], {key: questions}); T is the time of the line, H the host
LINES = [
    ("sshd", "WARN", ("Failed password for [[u:{user}]] from [[ip:{ip}]] port {hi}", "authentication failure; user=[[u:{user}]] rhost=[[ip:{ip}]]"),
     {"T": ("When did the SSH login of {user} fail?", "At what time was a wrong password given for {user}?"),
         "ip": ("From where did someone try to log in as {user}?", "Which address tried the password of {user}?")}),
    ("sshd", "INFO", ("Accepted publickey for [[u:{user}]] from [[ip:{ip}]] port {hi}", "session opened for user [[u:{user}]] from [[ip:{ip}]]"),
     {"T": ("When did {user} log in?", "At what time did {user} come in by SSH?"), "ip": ("From which address did {user} log in?",
         "Where did {user} connect from?")}),
    ("postgres", "ERROR", ("could not write to file \"{file}\": [[why:No space left on device]]",
        "PANIC: cannot extend {file}: [[why:disk quota exceeded]]"),
     {"T": ("When did the database fail to write {file}?", "At what time could {file} not be written?"),
         "why": ("Why could {file} not be written?", "What kept the database from writing {file}?")}),
    ("postgres", "LOG", ("checkpoint complete: wrote [[n:{big}]] buffers", "automatic vacuum of table \"{fmtless}\": [[n:{big}]] dead rows removed"),
        {"n": ("How many did the database report at its maintenance step?",), "T": ()}),
    ("nginx", "ERROR", ("upstream timed out while reading /[[p:{cmd}]] from [[up:{ip}]]",
        "connect() to [[up:{ip}]] failed for /[[p:{cmd}]] (111: refused)"),
     {"T": ("When did the web server fail to reach the backend for {cmd}?", "At what time was there a gateway problem with /{cmd}?"),
         "up": ("Which backend did not answer for /{cmd}?", "What address failed behind /{cmd}?")}),
    ("kernel", "CRIT", ("Out of memory: killed process [[pid:{hi}]] ([[p:{victim}]])", "oom-killer: sacrificed [[p:{victim}]] with pid [[pid:{hi}]]"),
     {"p": ("Which process was killed for lack of memory?", "What did the kernel kill when memory ran out?"),
         "T": ("When did the machine run out of memory?", "At what time was {victim} killed?"), "pid": ("What was the process number of {victim}?",
             )}),
    ("kernel", "WARN", ("[[d:{disk}]]: I/O error at sector [[n:{big}]]", "read failure on [[d:{disk}]], sector [[n:{big}]]"),
        {"d": ("Which disk has read errors?", "What drive is failing?"), "n": ("At which sector is {disk} damaged?",),
        "T": ("When did {disk} report an error?",)}),
    ("kernel", "WARN", ("CPU temperature above threshold ([[t:{temp} C]]), clock throttled", "thermal: core reached [[t:{temp} C]], slowing down"),
        {"t": ("How hot did the processor get?", "What temperature did the CPU reach?"), "T": ("When did the processor get too hot?",
            "When was the CPU slowed down because of heat?")}),
    ("backup", "INFO", ("finished job '{cmd}' in [[l:{took}]], [[s:{size2}]] transferred", "job {cmd}: [[s:{size2}]] saved, elapsed [[l:{took}]]"),
     {"l": ("How long did the backup job {cmd} take?", "How much time did saving {cmd} need?"), "s": ("How much data did the backup {cmd} transfer?",
         "How big was the backup of {cmd}?"), "T": ("When was the backup {cmd} done?",)}),
    ("backup", "ERROR", ("job '{cmd}' aborted: [[why:{whyb}]]", "{cmd} backup failed ([[why:{whyb}]])"),
        {"why": ("Why did the backup {cmd} fail?", "What stopped the {cmd} backup?"), "T": ("When did the backup {cmd} fail?",
            "At what time was the {cmd} backup aborted?")}),
    ("systemd", "INFO", ("{svc}.service: scheduled restart, counter is at [[n:{n}]]", "Restarting {svc}.service (attempt [[n:{n}]])"),
        {"n": ("How many times has {svc} been restarted?", "Which restart of {svc} was it?"), "T": ("When was {svc} restarted?",
            "At what time did {svc} get another start?")}),
    ("systemd", "ERROR", ("{svc}.service: main process exited, status=[[c:{code}]]", "Unit {svc} entered failed state, exit code [[c:{code}]]"),
        {"c": ("With which exit code did {svc} end?", "What status did {svc} return when it failed?"),
            "T": ("When did {svc} fail?", "At what time did {svc} go down?")}),
    ("systemd", "INFO", ("Started {svc}.service, version [[v:{libver}]]", "{svc} is up (version [[v:{libver}]])"),
        {"v": ("Which version of {svc} was started?", "What version of {svc} is running?"), "T": ("When was {svc} started?",
            "Since what time is {svc} up?")}),
    ("postfix", "WARN", ("to=<[[m:{addr}]]>, status=deferred ([[why:{whym}]])", "delivery to [[m:{addr}]] postponed: [[why:{whym}]]"),
     {"why": ("Why was the mail to {addr} not delivered?", "What was wrong with the delivery to {addr}?"),
         "T": ("When was the mail to {addr} held back?",)}),
    ("dhcpd", "INFO", ("DHCPACK on [[ip:{ip}]] to [[m:{mac}]]", "lease [[ip:{ip}]] given to [[m:{mac}]]"),
        {"ip": ("Which address did {mac} get?", "What IP was assigned to {mac}?"), "T": ("When did {mac} receive an address?",)}),
    ("cron", "INFO", ("({user}) CMD (/usr/local/bin/[[c:{cmd}.sh]])", "user {user} runs [[c:{cmd}.sh]]"),
        {"c": ("What does cron run for {user}?", "Which script of {user} was started by cron?"), "T": ("When was the script {cmd}.sh started?",)}),
    ("app", "ERROR", ("payment [[id:{order}]] rejected by provider: [[why:{whyp}]]",
        "order [[id:{order}]] could not be charged, reason: [[why:{whyp}]]"),
     {"why": ("Why was the payment {order} refused?", "Why did charging {order} not work?"), "T": ("When was {order} declined?",
         "At what time did the payment {order} fail?")}),
    ("app", "WARN", ("slow query on {page}: [[l:{ms} ms]]", "{page} took [[l:{ms} ms]] to render"),
        {"l": ("How long did the {page} take?", "How slow was the {page}?"), "T": ("When was the {page} slow?",)}),
    ("app", "INFO", ("user [[u:{person}]] exported [[n:{big}]] rows as {fmt}", "{fmt} export of [[n:{big}]] rows by [[u:{person}]]"),
        {"u": ("Who exported data as {fmt}?", "Who made the {fmt} file?"), "n": ("How many rows were exported as {fmt}?",),
            "T": ("When was the {fmt} export made?",)}),
    ("app", "INFO", ("configuration reloaded, {numset}=[[v:{m}]]", "{numset} changed to [[v:{m}]]"),
        {"v": ("What is {numset} set to?", "Which value has {numset} now?"), "T": ("When was {numset} changed?",
            "At what time did {numset} get its new value?")}),
    ("app", "WARN", ("certificate for {domain} expires in [[d:{days}]]", "TLS: [[d:{days}]] left for {domain}"),
        {"d": ("How long is the certificate of {domain} still valid?", "How much time is left to renew the certificate of {domain}?"), "T": ()}),
    ("ntpd", "WARN", ("clock stepped by [[s:{ms} ms]]", "time offset [[s:{ms} ms]], adjusting"),
        {"s": ("By how much was the clock wrong?", "How far was the clock off?"), "T": ("When was the clock corrected?",)}),
    ("firewall", "WARN", ("DROP IN=eth0 SRC=[[ip:{ip}]] DPT=[[p:{port}]]", "blocked [[ip:{ip}]] on port [[p:{port}]]"),
        {"ip": ("Which address was blocked on port {port}?", "Who knocked at port {port}?"), "T": ("When was access to port {port} blocked?",)}),
    ("docker", "ERROR", ("pull of image {pkg}:{libver} failed: [[why:{whyd}]]", "cannot fetch {pkg}:{libver} ([[why:{whyd}]])"),
        {"why": ("Why could the image {pkg}:{libver} not be fetched?", "What went wrong with the image {pkg}:{libver}?"),
            "T": ("When did fetching {pkg}:{libver} fail?",)}),
    ("ups", "CRIT", ("on battery, [[c:{pct}]] charge left", "mains power lost; battery at [[c:{pct}]]"),
        {"c": ("How full was the battery when the power went?", "What charge did the UPS have?"),
            "T": ("When did the power fail?", "At what time was mains power lost?")}),
]  # fmt: skip
LOG_SLOTS = {
    "user": "root admin deploy postgres alice jenkins backup git www-data oracle test guest mwagner tomcat".split(),
        "victim": "java mysqld chrome node python3 clamd redis-server php-fpm".split(),
    "disk": ["sda", "sdb", "nvme0n1", "sdc", "md0"], "whyb": ["target not mounted", "lock held by another job", "passphrase missing",
        "remote host closed the connection", "checksum mismatch", "quota reached"],
    "whym": ["mailbox full", "connection timed out", "greylisted", "host not found", "TLS handshake failed", "sender address rejected"],
        "whyp": ["card expired", "insufficient funds", "3-D Secure failed", "currency not supported", "limit exceeded"],
    "whyd": ["manifest unknown", "access denied", "too many requests", "no route to host", "digest does not match"], "svc": SERVICES,
        "fmtless": ["orders", "events", "sessions"],
}  # fmt: skip


def log(rng, words):
    doc = Doc(rng, words)
    left = {k: rng.sample(v, len(v)) for k, v in LOG_SLOTS.items()}
    host = rng.choice(HOSTS)
    clock = datetime.datetime(rng.randint(2012, 2025), rng.randint(1, 12), rng.randint(1, 27), rng.randint(0, 20), rng.randint(0, 59),
        rng.randint(0, 59))
    stamp = rng.choice((lambda t: f"{t:%b} {t.day:2} {t:%H:%M:%S}", lambda t: f"{t:%Y-%m-%d %H:%M:%S}", lambda t: f"{t:%Y-%m-%dT%H:%M:%SZ}",
        lambda t: f"{t:%Y-%m-%d %H:%M:%S},{t.second * 13 % 1000:03}",
                        lambda t: f"{t:%H:%M:%S}", lambda t: f"{t:%d/%b/%Y:%H:%M:%S} +0000"))  # fmt: skip
    form = rng.choice(("{t} {h} {s}[{p}]: {m}", "{t} {h} {s}: {m}", "{t} [{l}] {s}: {m}", "{t} {l:<5} {s} - {m}", "{t} {l} ({s}) {m}",
        "{l} {t} {s} {m}", "{t} | {l} | {s} | {m}"))
    level_shown = "{l" in form
    out, marks, seen = [], [], set()

    for _ in range(rng.choice((8, 16, 26, 36, 46, 60))):
        service, level, statements, more = rng.choice(LINES)
        own = {"ip": f"{rng.choice((10, 172, 192, 203, 85))}.{rng.randint(0, 255)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}",
            "hi": str(rng.randint(1024, 65000)), "port": str(rng.randint(1024, 65000)), "big": str(rng.randint(200, 99999)),
               "temp": str(rng.randint(86, 104)), "took": f"{rng.randint(2, 59)}m{rng.randint(1, 59):02}s",
                   "code": str(rng.choice((1, 2, 127, 137, 139, 143, 203))), "order": f"{rng.choice('ABCKPQ')}-{rng.randint(10000, 99999)}",
               "ms": str(rng.randint(900, 9800)), "mac": ":".join(f"{rng.randint(0, 255):02x}" for _ in range(6)),
                   "addr": f"{rng.choice(needles.FIRST_NAMES).lower()}@{rng.choice(words)}.{rng.choice(('com', 'org', 'de', 'net'))}",
               "domain": f"{rng.choice(words)}.{rng.choice(('com', 'org', 'io', 'eu'))}"}  # fmt: skip
        for k in left:
            if any("{" + k + "}" in x for x in statements):
                if not left[k]:
                    break
                own[k] = left[k].pop()
        else:
            clock += datetime.timedelta(seconds=rng.choice((0, 1, 2, 7, 30, 200, 1500)) + rng.randint(0, 40))
            when, t = doc.mark(stamp(clock))
            kept, fixed = len(doc.asked), not any("{" in q for qs in more.values() for q in qs)
            again = (service, level, statements)
            if (again in seen and (fixed or service in ("kernel", "ups", "ntpd",
                "postgres"))) or (service == "postgres" and level == "LOG" and again in seen):
                continue
            try:
                text, whole, found = doc.say(statements, {k: qs for k, qs in more.items() if k != "T"}, own)
            except Exhausted:
                continue
            seen.add(again)
            for q in doc.asked[kept:]:
                q.support = [whole]
            if more.get("T"):
                for q in rng.sample(list(more["T"]), min(2, len(more["T"]))):
                    doc.asked.append(Question(doc.values.fill(q, own), [t], [whole]))
            shown, s = doc.mark(service)
            shown_level, lv = doc.mark(level)
            marks.append((level, t, whole, s, lv, clock))
            out.append(form.format(t=when, h=host, s=shown, p=300 + 7 * len(out), l=shown_level, m=text))
    if level_shown:
        errors = [x for x in marks if x[0] in ("ERROR", "CRIT")]
        if errors:
            _, t, whole, s, lv, _ = errors[0]
            if errors[0][0] == "ERROR" and all(x[0] == "ERROR" for x in errors):
                doc.ask(("When did the first error occur?", "At what time was the first error?", "When did errors begin?"), t, lv, times=2)
                doc.ask(("What was the first error?", "What does the first error say?"), whole, lv)
                doc.ask(("Which service reported the first error?", "What program had the first error?"), s, lv)
                if len(errors) > 1:
                    doc.ask(("When was the last error?", "At what time did the most recent error occur?"), errors[-1][1], errors[-1][4])
                    doc.ask(("What was the last error?", "What does the most recent error say?"), errors[-1][2], errors[-1][4])
            else:
                crit = [x for x in marks if x[0] == "CRIT"]
                if len(crit) == 1:
                    doc.ask(("What was the critical event?", "What does the critical message say?", "Which message is the most serious one?"),
                        crit[0][2], crit[0][4])
                    doc.ask(("When was there a critical event?", "At what time was something critical logged?"), crit[0][1], crit[0][4])
                doc.ask(("When did the first ERROR line occur?",), next((x[1] for x in errors if x[0] == "ERROR"), None))
        else:
            doc.ask(("When did the first error occur?", "Which service reported an error?"), None)
    if marks:
        doc.ask(("When does the log begin?", "What is the time of the first line?"), marks[0][1])
        doc.ask(("What was logged last?", "What does the last line say?"), marks[-1][2])
        doc.ask(("When was the last entry written?", "When does the log end?"), marks[-1][1])
    for _, _, _, more in rng.sample(LINES, 4):
        for k, qs in more.items():
            named = [q for q in qs if "{" in q and not any("{" + x + "}" in q for x in ("ip", "pkg"))]
            if named:
                q = rng.choice(named)
                own = {k: v.pop() for k, v in left.items() if v and "{" + k + "}" in q}
                own |= {"order": f"X-{rng.randint(10000, 99999)}", "mac": ":".join(f"{rng.randint(0, 255):02x}" for _ in range(6)),
                    "addr": f"{rng.choice(words)}@{rng.choice(words)}.example", "domain": f"{rng.choice(words)}-{rng.choice(words)}.net"}
                if all(f"{{{x}}}" not in q or x in own for x in LOG_SLOTS):
                    try:
                        doc.no.append(Question(doc.values.fill(q, own)))
                    except Exhausted:
                        pass
                break
    intro = rng.choice(("", "", f"journal of {host}", f"$ tail -n {len(out)} /var/log/syslog", f"Log file of {host}, as attached to the ticket:",
        f"==> /var/log/{doc.pkg}.log <=="))
    return doc.done((intro + "\n" if intro else "") + "\n".join(out))


# --- bug reports

# (title, other words for it, [what happens], [expected], [cause], [workaround], [fix])
BUGS = [
    (("{cmd} hangs at [[at:{pct}]]", "{cmd} never finishes, stuck at [[at:{pct}]]"), ("At how many per cent does it get stuck?",
        "Where does the progress stop?"),
     ("the progress bar stops and nothing more happens", "the program stops reacting and has to be killed"),
         ("it is waiting for a lock that is already held", "a worker waits for a reply that never comes", "the loop counts files twice"),
     ("run it with {opt}", "set {numset} to 1", "start it a second time"),
      ("release the lock before the callback", "add a time limit to the wait", "count every file once")),
    (("Crash when opening {fmt} file larger than [[at:{size2}]]", "{fmt}: segmentation fault above [[at:{size2}]]"),
        ("How big must a file be for the crash?", "Above what size does it crash?"),
     ("the window closes without a message", "it dies with a segmentation fault"), ("the size is kept in a 32-bit integer",
         "the buffer is allocated on the stack", "the parser recurses for every element"),
     ("split the file", "convert it to {fmt2} first", "use the command line tool"),
      ("use 64-bit sizes", "read the file in pieces", "walk the tree without recursion")),
    (("Wrong time zone in {page}, off by [[at:{hours}]]", "{page} shows times [[at:{hours}]] too late"),
        ("By how much are the times wrong?", "How large is the error in the times?"),
     ("all entries are shown at the wrong time", "meetings appear in the wrong slot"), ("the server stores local time",
         "summer time is applied twice", "the browser's zone is ignored"),
     ("set the zone to UTC", "switch the account to Iceland", "log out after changing the zone"),
         ("store UTC and convert on display", "drop the second conversion", "take over the zone from the browser")),
    (("Upgrade from [[at:{libver}]] loses {file}", "{file} gone after updating from [[at:{libver}]]"),
        ("From which version had the reporter upgraded?", "What version was installed before the update?"),
     ("my settings were reset to the defaults", "the file was not there any more"), ("the post-install script removes the directory",
         "the file is not marked as configuration", "the migration writes to the wrong path"),
     ("restore the file from {file}.old", "copy it away before the update", "mark the package as held"),
         ("skip the removal on upgrades", "declare it as a configuration file", "correct the path")),
    (("Search in {page} finds nothing for terms with [[at:{sign}]]", "{page}: [[at:{sign}]] in the query gives no results"),
        ("Which characters spoil the search?", "With what in the term does the search fail?"),
     ("the list of results stays empty", "it says that there are no matches"), ("the tokenizer drops the character", "the query is escaped twice",
         "the index is built with another alphabet"),
     ("put the term in quotes", "use the advanced search", "replace the character by a question mark"),
         ("leave the character alone", "escape the query only once", "normalise query and index alike")),
    (("Fan at full speed on [[at:{model}]]", "100% CPU on [[at:{model}]] while idle"), ("On which computer does it occur?",
        "Which hardware is concerned?"),
     ("the machine gets hot although nothing is open", "one core is busy all the time"), ("an animation runs in a hidden window",
         "it polls the clipboard without a pause", "a timer fires every millisecond"),
     ("turn off animations", "close the {page}", "limit it with cpulimit"),
      ("stop animations in hidden windows", "wait for events instead of polling", "lower the rate of the timer")),
    (("Printing cuts off [[at:{margin}]]", "Print-out from {page} lacks [[at:{margin}]]"), ("What part is missing on paper?",
        "What gets lost in printing?"),
     ("a strip is missing on every page", "the paper shows less than the preview"), ("the margins are taken in inches, not millimetres",
         "the driver reports a wrong paper size", "the scale is rounded up"),
     ("print to PDF first", "choose A4 by hand", "scale to 95%"), ("convert the unit", "ask the printer for its real margins", "round the scale down")),
]  # fmt: skip
BUG_SLOTS = {"model": ["ThinkPad X220", "Raspberry Pi 4", "MacBook Air", "Dell XPS 13", "Surface Pro 7", "Framework 13"],
             "hours": ["one hour", "two hours", "30 minutes", "12 hours", "a day"], "sign": ["umlauts", "hyphens", "apostrophes", "a plus sign",
                 "accents", "Cyrillic letters"],
             "margin": ["the last line", "the left margin", "the page numbers", "the header", "the bottom row"]}  # fmt: skip


def thread(rng, words):
    doc = Doc(rng, words)
    own = {k: rng.choice(v) for k, v in BUG_SLOTS.items()}
    titles, at_qs, happens, causes, ways, fixes = rng.choice(BUGS)
    cause, fix = rng.choice(list(zip(causes, fixes)))
    form, day = date_form(rng), datetime.date(rng.randint(2008, 2025), rng.randint(1, 12), rng.randint(1, 28))
    people = []
    while len(people) < 6:
        p = needles.name(rng)
        if p not in people:
            people.append(p)
    reporter, second, dev, bisector, tester, dup = people
    as_handle = rng.random() < 0.3
    show = (lambda p: handle(p)) if as_handle else (lambda p: p)
    title, whole, marks = doc.say(titles, {"at": at_qs}, own)
    major, minor = rng.randint(0, 12), rng.randint(1, 20)
    ver, good, fixed = f"{major}.{minor}.{rng.randint(3, 5)}", f"{major}.{minor}.{rng.randint(0, 2)}", f"{major}.{minor}.{rng.randint(6, 9)}"
    number = rng.randint(800, 999999)
    f = {
        "number": f"#{number}", "rep": show(reporter), "ver": ver, "os": rng.choice(("Debian 12", "Fedora 39", "Windows 11", "macOS 14",
            "Ubuntu 22.04", "Arch Linux", "openSUSE Leap 15.5", "FreeBSD 14")),
        "sev": rng.choice(("normal", "important", "grave", "minor", "critical", "serious")), "what": rng.choice(happens), "cause": cause,
            "way": doc.values.fill(rng.choice(ways), own), "fix": fix,
        "good": good, "fixed": fixed, "dev": show(dev), "bis": show(bisector), "test": show(tester), "second": show(second),
            "sha": "".join(rng.choices(needles.HEX, k=rng.choice((7, 8, 10)))), "dup": f"#{number + rng.randint(5, 900)}",
        "os2": rng.choice(("Mint 21", "Windows 10", "macOS 13", "Gentoo", "Alpine 3.19", "CentOS 7")),
            "os3": rng.choice(("NixOS", "Slackware", "Windows 8.1", "Android 13")), "duper": show(dup),
    }  # fmt: skip
    t, m = {}, {}
    for k, v in f.items():
        t[k], m[k] = doc.mark(v)
    dates = []
    for _ in range(12):
        dates.append(doc.mark(form(day)))
        day += datetime.timedelta(days=rng.choice((1, 1, 2, 5, 20, 60)))
    opened, opened_m = dates[0]
    steps = rng.choice(("1. Start the program.\n2. Open any project.\n3. Wait.", "Steps: install, start, do as in the title.",
        "It happens every time.", "It occurs about once in ten tries.", ""))
    head = rng.choice((
        "Bug {number}: {title}\nReported by: {rep}\nDate: {opened}\nVersion: {ver}\nSystem: {os}\nSeverity: {sev}\n",
            "{title} ({number})\n{rep} opened this on {opened}\nversion {ver}, {os}, severity {sev}\n",
        "Package: {pkg}\nVersion: {ver}\nSeverity: {sev}\nSubject: {title}\nFrom: {rep}\nDate: {opened}\nBug: {number}\nOS: {os}\n"
    )).format(title=title, opened=opened, pkg=doc.pkg, **t)  # fmt: skip
    first = rng.choice(("Since I use {v}, {what}. {steps}", "What I see: {what}.\n{steps}\nI would expect it to work as before.",
        "Hello, {what}. Please help.\n{steps}", "{steps}\nActual result: {what}.")).format(v="this version", steps=steps, what=t["what"])
    talk, deck = rng.random() < 0.8, rng.sample(CHATTER, len(CHATTER))
    first += " " + " ".join(deck.pop() for _ in range(rng.randint(1, 4))) if talk else ""
    comments = []
    opts = {k: rng.random() < p for k, p in (("second", 0.7), ("bisect", 0.6), ("way", 0.75), ("dup", 0.5), ("test", 0.6), ("guess", 0.4),
        ("close", 0.85))}
    if opts["second"]:
        comments.append((t["second"], rng.choice(("Same here on {os2}.", "I can confirm this with {os2}.", "+1, {os2}",
            "Happens to me as well ({os2})."))))
        doc.ask(("Who else sees the problem?", "Who confirmed the bug?", "Who has the same trouble?"), m["second"])
        doc.ask((f"On what system does {f['second']} see it?", f"What does {f['second']} use?"), m["os2"], m["second"])
    if opts["guess"]:
        comments.append((show(needles.name(rng)), rng.choice(("No trouble on {os3}.", "I cannot reproduce this on {os3}.", "Works for me ({os3})."))))
        doc.ask(("Where does the problem not occur?", "On which system could it not be reproduced?"), m["os3"])
    if opts["way"]:
        comments.append((show(needles.name(rng)), rng.choice(("As a workaround, {way}.", "For now you can {way}.", "It helps to do this: {way}.",
            "Until there is a fix: {way}."))))
        doc.ask(("What can I do until it is fixed?", "Is there a workaround?", "How can one get round the problem?", "What helps in the meantime?"),
            m["way"], times=2)
    else:
        doc.ask(("Is there a workaround?", "What can I do until it is fixed?"), None)
    if opts["bisect"]:
        comments.append((t["bis"], rng.choice(("It still worked in {good}; git bisect points to {sha}.",
            "The first bad commit is {sha}, while {good} was fine.", "Last good version: {good}. Broken by {sha}."))))
        doc.ask(("Which commit broke it?", "What change introduced the bug?", "Which commit is to blame?"), m["sha"])
        doc.ask(("What is the last version without the bug?", "Up to which version did it work?", "To which version can I go back?"), m["good"])
        doc.ask(("Who found the commit that broke it?", "Who tracked down the bad commit?"), m["bis"], m["sha"])
    else:
        doc.ask(("Which commit broke it?", "What was the last version without the bug?"), None)
    if opts["dup"]:
        comments.append((show(needles.name(rng)), rng.choice(("{dup} is a duplicate of this one, opened by {duper}.",
            "Closing {dup} (from {duper}) in favour of this report.", "The same was reported by {duper} in {dup}."))))
        doc.ask(("Which report is about the same thing?", "What is the number of the duplicate?"), m["dup"])
        doc.ask((f"Who opened {f['dup']}?", "Who filed the duplicate?"), m["duper"], m["dup"])
    tail = [(t["dev"], rng.choice(("Found it: {cause}. I am going to {fix}.", "The reason is that {cause}. My patch: {fix}.",
        "{cause}, that is why. The remedy is to {fix}.")))]
    doc.ask(("Why does it happen?", "What is the cause of the bug?", "What was the reason for the problem?"), m["cause"], times=2)
    doc.ask(("Who fixed it?", "Who wrote the patch?", "Who found the cause?"), m["dev"], m["fix"], times=2)
    doc.ask(("How was it fixed?", "What does the patch do?", "How did the developer solve it?"), m["fix"])
    if opts["test"]:
        tail.append((t["test"], rng.choice(("The patch works for me, thanks.", "Tested, the problem is gone.",
            "I built it with the patch and all is well."))))
        doc.ask(("Who tested the patch?", "Who checked that the fix works?"), m["test"])
    comments += [(show(needles.name(rng)), c) for c in rng.sample(IDLE, rng.choice((0, 0, 1, 2)))]
    rng.shuffle(comments)
    comments += tail
    if opts["close"]:
        comments.append((show(dev), rng.choice(("Fixed in {fixed}. Closing.", "{fixed} has been released with the fix.",
            "Merged, it will be part of {fixed}."))))
        doc.ask(("In which version is it fixed?", "What do I have to update to?", "Which release has the fix?"), m["fixed"], times=2)
        doc.ask(("When was the bug closed?", "On what date was the fix announced?"), dates[len(comments)][1], m["fixed"])
    else:
        doc.ask(("In which version is it fixed?", "When was the bug closed?"), None)
    layout = rng.choice(("{p} wrote on {d}:\n{c}\n", "--- Comment #{n} from {p}, {d} ---\n{c}\n", "{p} commented on {d}\n\n{c}\n", "[{d}] {p}: {c}",
        "From: {p}\nDate: {d}\n\n{c}\n", "**{p}** ({d})\n{c}\n"))
    out = [head, first, ""]
    for n, (p, c) in enumerate(comments, 1):
        c = c.format(**t)
        c = " ".join([c, *(deck.pop() for _ in range(min(len(deck), rng.choice((0, 1, 2, 3)))))]) if talk else c
        out.append(layout.format(p=p, d=dates[n][0], c=up(c), n=n))
    doc.ask(("Who reported the bug?", "Who opened the report?", "Who was the first to see the problem?"), m["rep"])
    doc.ask(("When was it reported?", "On which day was the bug opened?"), opened_m)
    doc.ask(("Which version has the bug?", "In what version was it found?", "Which version does the reporter use?"), m["ver"])
    doc.ask(("What operating system does the reporter have?", "On which system was it found?"), m["os"])
    doc.ask(("How severe is the bug?", "What severity was it given?"), m["sev"])
    doc.ask(("What is the bug number?", "Under what number is it filed?"), m["number"])
    doc.ask(("What happens when the bug strikes?", "What does the reporter see?", "What are the symptoms?"), m["what"])
    doc.ask(("Who reviewed the patch?", "When will the fix reach the stable branch?", "Which test was added for it?"), None)
    return doc.done("\n".join(out))


KINDS = {advisory: 1.5, incident: 1.5, log: 1.7, thread: 1.5}
