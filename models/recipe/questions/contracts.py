"""Agreements and what people ask about them: leases, house rules, employment, services, loans, sales, secrets, licences, clubs, supply.

    draw(rng, words) -> Task

A document is drawn from the clauses of contracts_bank.py and contracts_trade_bank.py, in the manner of one writer: what the parties are called,
how money, periods and dates are written, how clauses are numbered.
"""

import datetime
import re

import contracts_bank
import contracts_trade_bank
import needles
from marked import Question, Task

# kind: (titles, roles of A and B with what people call them, whether A and B are firms (share), words for the clauses that come first)
KINDS = {
    "R": (
        ("Residential Lease Agreement", "Tenancy Agreement", "Apartment Lease", "Rental Agreement", "Lease of a Flat"),
        (("Landlord", "Tenant"), ("Lessor", "Lessee"), ("Owner", "Renter"), ("Landlady", "Tenant")),
        (0.4, 0.0),
        ("premises", "rent", "term.lease"),
    ),
    "C": (
        ("Commercial Lease", "Lease of Business Premises", "Shop Lease Agreement", "Office Lease"),
        (("Landlord", "Tenant"), ("Lessor", "Lessee")),
        (0.8, 0.9),
        ("premises", "rent", "term.lease"),
    ),
    "O": (
        ("Room Rental Agreement", "Lodger Agreement", "Student Room Contract", "Shared Flat Agreement"),
        (("Landlord", "Lodger"), ("Owner", "Occupant"), ("Main Tenant", "Subtenant"), ("Host", "Lodger")),
        (0.15, 0.0),
        ("rent", "term.lease"),
    ),
    "H": (
        ("Holiday Home Rental Agreement", "Terms of Rental", "Booking Agreement", "Holiday Let Contract"),
        (("Owner", "Guest"), ("Host", "Guest"), ("Agency", "Traveller")),
        (0.5, 0.0),
        ("stay", "booking", "cancel.h"),
    ),
    "U": (
        ("House Rules", "Rules of the House", "Residents' Handbook", "Building Regulations for Residents"),
        (("Management", "Residents"), ("Building Manager", "Occupants"), ("House Committee", "Residents")),
        (1.0, 0.0),
        (),
    ),
    "E": (
        ("Employment Contract", "Contract of Employment", "Employment Agreement", "Letter of Appointment"),
        (("Employer", "Employee"), ("Company", "Employee"), ("Employer", "Staff Member")),
        (1.0, 0.0),
        ("job", "start.e", "salary"),
    ),
    "S": (
        ("Service Agreement", "Consulting Agreement", "Contract for Services", "Freelance Contract", "Contract for Work"),
        (("Contractor", "Client"), ("Consultant", "Client"), ("Service Provider", "Customer"), ("Supplier", "Principal")),
        (0.6, 0.8),
        ("scope",),
    ),
    "L": (
        ("Loan Agreement", "Private Loan Contract", "Loan Contract", "Promissory Agreement"),
        (("Lender", "Borrower"), ("Creditor", "Debtor")),
        (0.4, 0.2),
        ("loan", "interest", "repay"),
    ),
    "V": (
        ("Car Sale Agreement", "Contract for the Sale of a Used Car", "Vehicle Purchase Agreement", "Bill of Sale"),
        (("Seller", "Buyer"), ("Vendor", "Purchaser")),
        (0.4, 0.1),
        ("car", "price.v"),
    ),
    "P": (
        ("Agreement for the Sale of a House", "Property Purchase Agreement", "Contract of Sale of Real Estate", "House Purchase Contract"),
        (("Seller", "Buyer"), ("Vendor", "Purchaser"), ("Transferor", "Transferee")),
        (0.2, 0.2),
        ("house", "price.p"),
    ),
    "N": (
        ("Non-Disclosure Agreement", "Confidentiality Agreement", "Agreement on Secrecy"),
        (("Disclosing Party", "Receiving Party"), ("Discloser", "Recipient"), ("Owner", "Recipient")),
        (0.9, 0.6),
        ("info", "purpose.n"),
    ),
    "I": (
        ("Licence Agreement", "Software Licence", "Licensing Contract", "Agreement on Rights of Use"),
        (("Licensor", "Licensee"), ("Rights Holder", "User"), ("Publisher", "Licensee")),
        (0.7, 0.8),
        ("grant",),
    ),
    "G": (
        ("Membership Agreement", "Gym Membership Contract", "Terms of Membership", "Fitness Club Agreement"),
        (("Club", "Member"), ("Studio", "Member"), ("Operator", "Customer")),
        (1.0, 0.0),
        ("member", "join"),
    ),
    "Q": (
        ("Supply Agreement", "Supplier Contract", "Framework Purchase Agreement", "Contract for the Supply of Goods"),
        (("Supplier", "Customer"), ("Seller", "Buyer"), ("Manufacturer", "Distributor"), ("Vendor", "Purchaser")),
        (1.0, 1.0),
        ("goods", "deliver"),
    ),
}
WEIGHTS = {"R": 5, "C": 2, "O": 2, "H": 2, "U": 3, "E": 5, "S": 3, "L": 2, "V": 2, "P": 2, "N": 2, "I": 2, "G": 2, "Q": 2}
SAID = {  # what else people call them
    "Landlord": ("landlord", "landlord", "owner"),
    "Landlady": ("landlady", "landlady", "owner"),
    "Lessor": ("lessor", "landlord", "owner"),
    "Lessee": ("lessee", "tenant", "renter"),
    "Tenant": ("tenant", "tenant", "renter"),
    "Renter": ("renter", "tenant"),
    "Employer": ("employer", "company", "boss"),
    "Staff Member": ("staff member", "employee", "worker"),
    "Employee": ("employee", "employee", "worker"),
    "Vendor": ("vendor", "seller"),
    "Purchaser": ("purchaser", "buyer"),
    "Transferor": ("transferor", "seller"),
    "Transferee": ("transferee", "buyer"),
    "Creditor": ("creditor", "lender"),
    "Debtor": ("debtor", "borrower"),
    "Service Provider": ("service provider", "provider", "contractor"),
    "Principal": ("principal", "client"),
    "Contractor": ("contractor", "freelancer", "contractor"),
    "Club": ("club", "gym"),
    "Studio": ("studio", "gym"),
    "Traveller": ("traveller", "guest"),
    "Subtenant": ("subtenant", "person renting the room"),
    "Receiving Party": ("receiving party", "recipient"),
}
# Clauses whose questions have no answer in a document without them; and the clauses beside which that is not so.
ABSENT = {
    "pets": (), "smoking": (), "parking": ("amenities", "gear"), "garden": (), "keys": (), "sublet": (), "boiler": ("repairs",),
    "deposit": ("booking", "default.lease"), "wifi": ("bills.a",), "laundry": ("amenities",), "noise": ("balcony",), "rubbish": ("fine",),
    "insurance.lease": (), "bonus": (), "overtime": (), "sick": (), "pension": (), "remote": (), "compete": (), "expenses": ("gear",),
    "training": (), "warranty": ("defects.v", "inspect"), "audit": (), "support": ("people", "damage"), "freeze": (), "delay": (),
    "data": (), "subcontract": (), "disputes": (), "interest": ("default.l",), "security": (), "early": (), "option": ("term.lease", "term.s"),
    "taxes": ("costs.p", "fees.b", "rereg"), "meals": ("amenities",), "increase": (), "royalty": (), "leave": ("parent",), "hours": (), "parent": (),
    "insurance.s": (), "gear": ("expenses",), "conduct": (), "moving": (), "balcony": (), "inventory": (), "renew.fee": (), "minors": (),
    "turnover": (), "fitout": (), "title.v": (), "rereg": (), "return.n": (), "gymrules": (), "openg": ("member",), "fire": (),
}  # fmt: skip

# Sentences without anything to ask for, as agreements are full of them.
IDLE = (
    "Statutory rights remain unaffected.", "Details are laid down in the annex.",
    "This also holds for relatives, visitors and anybody acting on behalf of {B}.", "The parties will act in good faith in this respect.",
    "Nothing in this clause limits claims on other grounds.", "Mandatory provisions of law take precedence.",
    "The parties have discussed this point at length.", "A copy of the relevant document has been handed to {B}.",
    "{A} may waive this in an individual case.", "Such a waiver shall not be taken as a precedent.", "This clause has been explained to {B}.",
    "In cases of doubt, the spirit of this agreement decides.", "Both sides consider this to be fair and reasonable.",
    "The foregoing shall apply mutatis mutandis to comparable situations.", "Headings serve convenience only.",
    "Reference is made to the annexes, which form an integral part hereof.", "Any practice that differs from this gives rise to no claim.",
    "{B} confirms having understood this.", "The rules of the annex must be observed as well.",
    "Where the context so requires, the singular includes the plural.", "All necessary steps shall be taken without undue delay.",
    "{A} and {B} will keep each other informed.", "This does not release anyone from the duty to take care.",
    "Failure to insist on this provision shall not amount to a waiver.", "No further formalities are called for.",
    "Unreasonable hardship is to be avoided.", "Earlier arrangements on this point are superseded.",
    "If circumstances change, the parties will look for a solution together.",
    "Good sense and mutual respect should make most disputes unnecessary.", "The interests of the other side must be duly considered.",
    "Everybody is asked to help so that this works.", "Questions about this may be put to {A} at any time.",
    "For the avoidance of doubt, this is a material term.", "The annex forms part of this clause.",
    "What has been said applies even if it is not repeated elsewhere.", "Obligations of this kind bind legal successors too.",
    "{B} shall not derive any further rights from this.", "Exceptions are granted sparingly.", "Ordinary care is expected of everyone concerned.",
    "The clause is to be read together with the others.",
)  # fmt: skip
RECITALS = {
    "R": ("{A} owns the premises and wishes to let them.", "{B} has viewed the premises and found them suitable."),
    "C": ("{B} intends to trade from the premises.", "{A} is entitled to let the building."),
    "O": ("{A} has a spare room and would like to let it.", "The household is shared, and everybody is to feel at home in it."),
    "H": ("Welcome! We hope that the days spent here will be happy ones.", "The house is let for holidays and not as a residence."),
    "U": ("Living together is easier with a few rules.", "Many people share this house; consideration makes it pleasant for all."),
    "E": ("{A} wishes to benefit from the skills of {B}.", "{B} declares to be free to enter into this employment."),
    "S": ("{A} has the expertise which {B} is looking for.", "{B} made enquiries and received an offer from {A}."),
    "L": ("{B} is in need of funds.", "{A} has the means and is willing to help."),
    "V": ("{B} has had the opportunity of a test drive.", "{A} declares to be the sole owner of the vehicle."),
    "P": ("{A} is the registered owner of the property.", "{B} has visited the property more than once."),
    "N": ("The parties wish to exchange information in confidence.", "Trust is the basis of the talks between them."),
    "I": ("{A} holds rights in which {B} is interested.", "{B} wishes to make use of a work of {A}."),
    "G": ("Welcome to the club! Please read these terms with care.", "These terms govern the use of the club by {B}."),
    "Q": ("{B} requires goods of constant quality.", "{A} is in a position to supply such goods."),
}

FIRST = needles.FIRST_NAMES + (
    "Agnes Albert Andrew Angela Barbara Benedict Bridget Callum Catherine Charles Colin Daphne Deborah Desmond Edith Edmund Eleanor Ernest Esther "
    "Fergus Fiona Frances Gareth Gemma George Harriet Hector Helen Howard Imogen Isaac Janet Jerome Joanna Kenneth Kirsten Laura Leonard Lydia "
    "Malcolm Margaret Martin Matilda Neil Nicola Oliver Patrick Pauline Philip Rachel Ravi Rebecca Roland Ruth Sanjay Simon Stella Thea Theodore "
    "Trevor Ursula Valerie Vincent Walter Winifred Xavier Zara"
).split()
LAST = needles.LAST_NAMES + (
    "Adeyemi Aldridge Ashworth Bancroft Bellamy Blackwood Bramley Carrington Chaudhry Colquhoun Crawford Davenport Delaney Drummond Eastwood Ellery "
    "Fairchild Farrow Fitzroy Garrick Gillespie Goddard Halloran Hargreave Hollis Hussain Jephcott Kaplan Kendrick Lattimer Lockwood MacBride Marlow "
    "McAllister Mendoza Mortimer Nkosi Norwood O'Leary Osborne Pemberton Prescott Radcliffe Rahman Rutherford Sandoval Sinclair Stanhope Thackeray "
    "Thornbury Underhill Vasquez Wainwright Whitlock Winslow Yardley"
).split()
TOWN = (
    "Wester Nor Ash Brack Hol Kings Mill Stan Thorn Wood Har Elm Black White Red Lang Ox Ald Copper Raven".split(),
    "ford bury ton wick ham leigh stead mouth field by worth bridge haven dale".split(),
)
CITIES = (
    "Bristol Leeds Dublin Cork Boston Denver Toronto Zurich Vienna Hamburg Lyon Antwerp Utrecht Malmö Porto Valencia Turin Galway Oslo Chicago "
    "Portland Austin Sydney Perth Wellington Cardiff Glasgow Norwich Basel Graz"
).split()
LANDS = (
    ("Ireland", "Irish"), ("Scotland", "Scottish"), ("Austria", "Austrian"), ("Germany", "German"), ("Switzerland", "Swiss"), ("Denmark", "Danish"),
    ("Belgium", "Belgian"), ("Canada", "Canadian"), ("Portugal", "Portuguese"), ("Norway", "Norwegian"), ("the Netherlands", "Dutch"),
    ("New Zealand", "New Zealand"), ("Sweden", "Swedish"), ("France", "French"), ("Poland", "Polish"), ("England and Wales", "English"),
)  # fmt: skip
STREET = "Street Road Lane Avenue Gardens Close Square Hill Terrace Row Crescent Park Quay Court Drive".split()
TRADE = "Property Homes Logistics Consulting Systems Foods Textiles Media Engineering Trading Analytics Interiors Energy Tools Print Labs".split()
LEGAL = ("Ltd", "LLC", "Inc.", "GmbH", "plc", "B.V.", "AG", "Limited", "& Sons", "& Partners", "Group", "Cooperative")
SYLLABLES = (
    "Al Bel Cor Dan El Fal Gren Hal Is Jor Kel Lum Mer Nor Or Pel Quin Ros Sol Tar Ul Ver Wen Zan".split(),
    "va do mi ra to ne lu si ka be".split(),
    "nt x ro ris dia nex tec lis mar don via sta".split(),
)
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday".split()
COUNT = "zero one two three four five six seven eight nine ten eleven twelve".split()
COUNT += "thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty".split()
ORDINAL = "zeroth first second third fourth fifth sixth seventh eighth ninth tenth".split()
LISTS = {
    "mult": ("one and a half times", "1.25 times", "twice", "1.5 times", "1.3 times"),
    "third": ("second", "third", "fourth", "first"),
    "fri": ("Friday", "Thursday", "Saturday"),
    "wdays": ("five", "four", "six", "three"),
    "wh": ("35", "36", "37.5", "38", "38.5", "39", "40", "42", "30", "24", "20"),
    "course": ("project management", "first aid", "welding", "tax law", "crane driving", "data analysis", "Spanish", "book-keeping", "food safety"),
    "service": (
        "the translation of user manuals", "a redesign of the website", "bookkeeping", "weekly window cleaning", "a study of the local market",
        "the renovation of two bathrooms", "photography at three events", "the maintenance of the network", "legal advice", "staff training in sales",
        "the planning of a warehouse", "the installation of solar panels", "editing of a travel guide", "security patrols at night", "catering for staff",
    ),
    "deliv": (
        "a final report", "a working prototype", "a set of drawings", "a written manual", "an inventory list", "a training video", "a signed certificate",
        "edited files", "a slide deck", "a cost estimate", "a maintenance log",
    ),
    "purpose": (
        "the purchase of a delivery van", "a new roof", "tuition fees", "opening a bakery", "medical treatment", "the repair of a barn", "a wedding",
        "buying machinery", "a kitchen renovation", "settling older debts", "the purchase of cattle",
    ),
    "aim": (
        "evaluating a merger", "preparing a tender", "developing a sensor", "assessing an investment", "testing a new vaccine", "planning a joint venture",
        "auditing the accounts", "building a prototype", "negotiating a purchase", "a feasibility study",
    ),
    "lic": (
        "teaching", "internal training", "sale in print", "its own website", "television broadcasts", "research", "mobile games", "advertising",
        "a museum exhibition", "the manufacture of toys", "audio books", "point-of-sale terminals",
    ),
    "goods": (
        "cardboard boxes", "roasted coffee", "steel brackets", "printed labels", "office chairs", "glass bottles", "spare parts for pumps", "cotton towels",
        "frozen vegetables", "LED lamps", "wooden pallets", "safety gloves", "tomato sauce", "ceramic tiles", "bicycle tyres",
    ),
    "mat": (
        "access to the servers", "floor plans", "all sales figures", "texts and pictures", "a work room", "the login data", "samples of the product",
        "last year's accounts", "a list of staff", "the existing source files",
    ),
    "lang": ("English", "French", "German", "Spanish", "Dutch", "Italian"),
    "jobgrade": ("senior", "junior", "assistant", "lead", "deputy", "trainee", "chief", "part-time", "night-shift", "regional"),
    "jobname": (
        "accountant", "nurse", "warehouse clerk", "software developer", "pastry chef", "electrician", "sales manager", "receptionist", "lab technician",
        "truck driver", "librarian", "translator", "purchasing agent", "gardener", "quality inspector", "social worker", "site engineer", "editor",
    ),
    "carmake": ("Falcon", "Ordan", "Velmo", "Castor", "Tiberi", "Nordvik", "Halden", "Aurio", "Sentra", "Kestrel", "Rialto", "Brava"),
    "work": ("the software {w}", "the photographs \"{w}\"", "the trade mark {w}", "the novel \"{w}\"", "the typeface {w}", "the board game \"{w}\"",
             "the database {w}", "the song \"{w}\"", "the pattern {w}"),
    "rel": ("a parent", "a cousin", "the employer", "a friend", "a colleague", "a former teacher"),
    "owner": ("{A}", "the previous tenant", "the caretaker", "a neighbour", "the upstairs flat"),
    "party": ("{A}", "{B}"),
}  # fmt: skip


class Writer:
    """How one document writes its values; names of people, firms and places are not used twice."""

    def __init__(self, rng, words):
        self.rng, self.words, self.used = rng, words, set()
        self.money_form = rng.choice(("£{}", "${}", "€{}", "{} EUR", "EUR {}", "USD {}", "{} euros", "CHF {}", "GBP {}", "{} dollars", "{} pounds"))
        self.cents, self.separator = rng.random() < 0.35, rng.choice((",", ",", ",", "", "'"))
        self.count_form = rng.choice(("digits", "words", "words", "both"))
        self.date_form = rng.choice(("{d} {m} {y}", "{d} {m} {y}", "{m} {d}, {y}", "{d}.{n}.{y}", "{y}-{n:02}-{d:02}", "the {o} of {m} {y}", "{d}/{n:02}/{y}"))
        self.clock_form = rng.choice(("24", "12", "am", "a.m."))
        self.metric = rng.random() < 0.7
        self.percent = rng.choice(("{}%", "{} %", "{} percent", "{} per cent"))
        self.start = datetime.date(rng.randint(2014, 2031), rng.randint(1, 12), rng.randint(1, 28))

    def money(self, low, high, step):
        n = self.rng.randrange(low, high, step)
        if n < 200 and not self.cents and self.rng.random() < 0.3:
            return self.money_form.format(f"{n}.{self.rng.choice(('50', '90', '25', '75'))}")
        return self.money_form.format(f"{n:,}".replace(",", self.separator) + (".00" if self.cents else ""))

    def count(self, n):
        if self.count_form == "digits" or n > 20:
            return str(n)
        return COUNT[n] + (f" ({n})" if self.count_form == "both" else "")

    def period(self, choices, unit, possessive=False):
        n = self.rng.choice(choices)
        unit = unit if n == 1 else unit + "s"
        return f"{self.count(n)} {unit}" + (("'s" if n == 1 else "'") if possessive else "")

    def notice(self, possessive=False):
        unit, choices = self.rng.choice((("month", (1, 2, 3, 4, 6)), ("month", (1, 2, 3)), ("week", (2, 3, 4, 6, 8, 10)), ("day", (14, 30, 45, 60, 90))))
        return self.period(choices, unit, possessive)

    def short(self, possessive=False):
        unit, choices = self.rng.choice((("hour", (12, 24, 36, 48, 72)), ("day", (2, 3, 4, 5)), ("working day", (2, 3, 4))))
        return self.period(choices, unit, possessive)

    def date(self, after=0):
        day = self.start + datetime.timedelta(after)
        return self.date_form.format(d=day.day, m=needles.MONTHS[day.month - 1], n=day.month, y=day.year, o=ordinal(day.day))

    def clock(self, low, high):
        h, m = self.rng.randrange(low, high), self.rng.choice((0, 0, 30))
        if self.clock_form == "24":
            return f"{h:02}:{m:02}"
        minutes = f":{m:02}" if m or self.clock_form == "12" else ""
        end = {"12": " AM", "am": "am", "a.m.": " a.m."}[self.clock_form]
        return f"{(h - 1) % 12 + 1}{minutes}{end if h < 12 else end.replace('a', 'p').replace('A', 'P')}"

    def person(self):
        return f"{self.rng.choice(FIRST)} {self.rng.choice(LAST)}"

    def brand(self):
        rng = self.rng
        kind = rng.random()
        if kind < 0.4:
            return "".join(rng.choice(part) for part in SYLLABLES)
        return rng.choice(LAST) if kind < 0.7 else " ".join(w.capitalize() for w in dict.fromkeys(rng.choices(self.words, k=rng.randint(1, 2))))

    def firm(self):
        return f"{self.brand()} {self.rng.choice(TRADE) + ' ' if self.rng.random() < 0.6 else ''}{self.rng.choice(LEGAL)}"

    def city(self):
        return "".join(map(self.rng.choice, TOWN)) if self.rng.random() < 0.6 else self.rng.choice(CITIES)

    def street(self):
        rng = self.rng
        name = rng.choice((rng.choice(LAST), rng.choice(self.words).capitalize(), "".join(map(rng.choice, TOWN))))
        flat = f"Flat {rng.randint(1, 30)}, " if rng.random() < 0.15 else ""
        return f"{flat}{rng.randint(1, 240)} {name} {rng.choice(STREET)}, {self.city()}"

    def phone(self):
        rng = self.rng
        return rng.choice(("0{0} {1}", "+{0} {1}", "({0}) {1}", "0{0}-{1}")).format(needles.digits(rng, rng.randint(2, 3)), needles.digits(rng, rng.randint(5, 7)))

    def email(self):
        rng = self.rng
        who = rng.choice(("office", "info", "contact", "desk", "legal", "post", rng.choice(FIRST).lower(), rng.choice(LAST).lower().replace("'", "")))
        return f"{who}@{self.brand().lower().replace(' ', '-').replace(chr(39), '')}.{rng.choice(('com', 'example', 'org', 'net', 'co.uk', 'eu'))}"

    def slot(self, name):
        """A value for the slot of that name; a number at its end only tells it from others of its kind."""
        rng, kind = self.rng, name.rstrip("0123456789")
        if kind in LISTS:
            return rng.choice(LISTS[kind]).replace("{w}", f"{rng.choice(self.words).capitalize()} {rng.choice(self.words).capitalize()}")
        if kind == "date":
            return self.date(rng.randint(2, 60) if name == "date1" else rng.randint(70, 400))
        return {
            "rent": lambda: self.money(380, 3400, rng.choice((1, 5, 10, 50))),
            "deposit": lambda: self.money(600, 6000, rng.choice((10, 50, 100))),
            "fine": lambda: self.money(20, 400, 5),
            "fee": lambda: self.money(60, 140, 1),
            "small": lambda: self.money(4, 59, 1),
            "salary": lambda: self.money(24000, 120000, rng.choice((100, 250, 1000))),
            "rate": lambda: self.money(25, 220, 1),
            "price": lambda: self.money(3500, 42000, rng.choice((50, 100, 500))),
            "house": lambda: self.money(140000, 950000, rng.choice((500, 1000, 5000))),
            "loan": lambda: self.money(1500, 90000, rng.choice((100, 500))),
            "cap": lambda: self.money(50000, 5000000, 50000),
            "cents": lambda: self.money_form.format(f"0.{rng.randint(20, 75)}"),
            "days": lambda: self.period((5, 7, 8, 10, 12, 14, 15, 20, 21, 28, 30), rng.choice(("day", "day", "working day", "calendar day"))),
            "weeksx": lambda: self.period((1, 2, 3, 4, 6), "week", True),
            "weeks": lambda: self.period((2, 3, 4, 5, 6, 8, 10, 12), "week"),
            "months": lambda: self.period((2, 3, 4, 6, 9, 12, 18, 24), "month"),
            "years": lambda: self.period((2, 3, 4, 5, 6, 7, 10), "year"),
            "long": lambda: self.period((12, 15, 18, 24, 36), "month") if rng.random() < 0.4 else self.period((1, 2, 3, 4, 5, 10), "year"),
            "short": self.short,
            "shortx": lambda: self.short(True),
            "notice": self.notice,
            "noticex": lambda: self.notice(True),
            "nth": lambda: rng.choice((ordinal(rng.randint(1, 28)), rng.choice(ORDINAL[1:]))),
            "dayx": lambda: f"{rng.randint(1, 30)} {rng.choice(needles.MONTHS[2:])}",
            "arr": lambda: self.date(40),
            "dep": lambda: self.date(40 + rng.randint(3, 21)),
            "month": lambda: rng.choice(needles.MONTHS),
            "weekday": lambda: rng.choice(WEEKDAYS),
            "clock": lambda: self.clock(8, 20),
            "early": lambda: self.clock(6, 10),
            "am": lambda: self.clock(8, 12),
            "pm": lambda: self.clock(13, 19),
            "late": lambda: self.clock(20, 24),
            "span": lambda: f"{self.clock(7, 12)}\0{self.clock(15, 22)}",
            "night": lambda: f"{self.clock(21, 24)}\0{self.clock(5, 9)}",
            "pct": lambda: self.percent.format(rng.choice((1.5, 2, 2.5, 3, 3.5, 4, 4.25, 5, 6, 7.5))),
            "pcthi": lambda: self.percent.format(rng.choice((8, 8.5, 9, 10, 11, 12, 12.5, 14))),
            "share": lambda: self.percent.format(rng.choice((15, 20, 25, 30, 40, 60, 70, 80))),
            "vat": lambda: self.percent.format(rng.choice((5, 7, 8.1, 10, 19, 20, 21, 22, 25))),
            "two": lambda: self.count(rng.randint(2, 4)),
            "three": lambda: self.count(rng.randint(2, 4)),
            "few": lambda: self.count(rng.randint(2, 8)),
            "mins": lambda: f"{rng.choice((20, 30, 40, 45, 60, 75))} minutes",
            "minute": lambda: f"{rng.choice((20, 30, 40, 45, 60, 75))}-minute",
            "leave": lambda: rng.randint(18, 34),
            "teen": lambda: self.count(rng.randint(6, 13)),
            "minage": lambda: self.count(rng.randint(14, 18)),
            "year": lambda: self.start.year - rng.randint(3, 14),
            "lastyear": lambda: self.start.year - rng.randint(0, 2),
            "nextyear": lambda: self.start.year + rng.randint(1, 2),
            "built": lambda: rng.randint(1880, 2012),
            "num": lambda: rng.randint(1, 190),
            "reg": lambda: needles.digits(rng, rng.randint(3, 6)),
            "qty": lambda: f"{rng.randrange(200, 30000, 100):,}" + rng.choice((" units", " pieces", "")),
            "seats": lambda: rng.choice((5, 8, 12, 15, 25, 30, 40, 75, 120, 250, 600)),
            "area": lambda: f"{rng.randint(14, 160)} {rng.choice(('m²', 'square metres'))}" if self.metric else f"{rng.randint(180, 2400)} square feet",
            "plot": lambda: f"{rng.randrange(180, 3000, 10)} {'m²' if self.metric else 'square yards'}",
            "km": lambda: f"{rng.randrange(5, 200, 5)} {'kilometres' if self.metric else 'miles'}",
            "kms": lambda: f"{rng.randrange(8000, 210000, 50):,} {'km' if self.metric else 'miles'}",
            "carkm": lambda: f"{rng.randrange(2000, 20000, 500):,} {'km' if self.metric else 'miles'}",
            "kmunit": lambda: "kilometre" if self.metric else "mile",
            "kg": lambda: f"{rng.randrange(180, 900, 10)} {'kg' if self.metric else 'pounds'}",
            "deg": lambda: f"{rng.randint(14, 19)} °C" if self.metric else f"{rng.randint(55, 66)} °F",
            "size": lambda: f"{rng.randrange(40, 200, 10)} x {rng.randrange(30, 90, 10)} cm",
            "person": self.person,
            "firm": self.firm,
            "brand": self.brand,
            "street": self.street,
            "city": self.city,
            "phone": self.phone,
            "email": self.email,
            "country": lambda: rng.choice(LANDS)[0],
            "national": lambda: rng.choice(LANDS)[1],
            "job": lambda: f"{rng.choice(LISTS['jobgrade'])} {rng.choice(LISTS['jobname'])}" if rng.random() < 0.6 else rng.choice(LISTS["jobname"]),
            "car": lambda: f"{rng.choice(LISTS['carmake'])} {rng.choice(('GT', 'Coupé', '2.0 TDi', '500', 'Estate', 'XL', '1.4', 'Sport', 'Mini', '300e'))}",
            "plate": lambda: f"{''.join(rng.choices(needles.UPPER, k=2))} {needles.digits(rng, 3)} {''.join(rng.choices(needles.UPPER, k=2))}",
            "vin": lambda: "".join(rng.choices("ABCDEFGHJKLMNPRSTUVWXYZ0123456789", k=17)),
            "iban": lambda: rng.choice(("DE", "IE", "FR", "NL")) + " ".join(needles.digits(rng, n) for n in (2, 4, 4, 4)),
            "code": lambda: needles.code(rng),
            "word": lambda: rng.choice(self.words),
        }[kind]()

    def value(self, name, own):
        """A value that no other slot of the clause has, and for names, none of the document."""
        kind, value = name.rstrip("0123456789"), ""
        lasting = kind in ("person", "firm", "street", "email", "phone", "city")
        for _ in range(30):
            value = str(self.slot(name))
            if value not in own.values() and not (lasting and value in self.used):
                break
        if lasting:
            self.used.add(value)
        return value


def ordinal(n):
    return f"{n}{'th' if 10 < n % 100 < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"


class Clause:
    def __init__(self, name, kinds, headings, text):
        self.name, self.group, self.kinds, self.headings = name, name.split(".")[0], kinds, headings.split("|")
        self.lists, self.terms, self.wordings, self.questions, self.without = {}, [], [], {}, []
        for line in text.strip().split("\n"):
            line = re.sub(" +", " ", line.strip())
            if line.startswith("$"):
                self.lists[line[1]] = line[3:].split("|")
            elif line.startswith("= "):
                self.terms.append(line[2:])
            elif line[1:3] == "? ":
                asked = re.split(r"(?<=\?) ", line[3:])
                if line[0] == "-":
                    self.without = asked
                else:
                    self.questions[line[0]] = asked
            else:
                self.wordings.append(line)


CLAUSES = [Clause(*c) for c in contracts_bank.CLAUSES + contracts_trade_bank.CLAUSES + contracts_bank.GENERAL]
BY_NAME = {c.name: c for c in CLAUSES}
SPAN = re.compile(r"\[(\w):([^\[\]]*)\]")
# Verbs that "you" and people in the plural take in another form.
SINGULAR = re.compile(r"\{B\} (?!shall|may|must|will|can|and |or |on |of |to |for |in |at |by |direct|with )\w+s\b|\{B\} (is|has|fails)\b|\btheir\b")


class Agreement:
    """One document as it is written."""

    def __init__(self, rng, words):
        self.rng, self.task, self.words = rng, Task("contract", [], [], ordered=True, rows=True), words
        self.writer = Writer(rng, words)
        self.kind = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        titles, roles, firms, self.first = KINDS[self.kind]
        self.title, self.roles = rng.choice(titles), rng.choice(roles)
        self.parties = [self.writer.firm() if rng.random() < share else self.writer.person() for share in firms]
        self.are_firms = [p.rsplit(" ", 1)[-1] in " ".join(LEGAL) for p in self.parties]
        self.by_name = self.kind in "CSLIQNE" and rng.random() < 0.25
        self.plural = self.kind == "U"
        self.you = self.kind in "GHUO" and not self.by_name and rng.random() < 0.35
        article = rng.choice(("the {}", "the {}", "the {}", "the {}", "{}"))
        self.called = [article.format(r) for r in self.roles]
        if self.plural or self.kind == "G":
            self.called[0] = f"the {self.roles[0]}"
        if rng.random() < 0.1:
            self.called = [c.upper().replace("THE ", "the ") for c in self.called]
        if self.by_name:
            self.called = [self.short_name(i) for i in (0, 1)]
        if self.plural:
            self.called[1] = self.roles[1].lower()
        if self.you:
            self.called[1] = "you"
        self.idled = set()
        self.asked = []  # [(group of questions, Question)]: one of each group is asked first

    def short_name(self, i):
        name = self.parties[i]
        if self.are_firms[i]:
            return re.sub(r"(?: (?:%s))? (?:%s)$" % ("|".join(TRADE), "|".join(map(re.escape, LEGAL))), "", name)
        return name.split()[-1]

    def people(self, i):
        """What a person who asks calls party A (0) or B (1)."""
        if self.by_name and self.rng.random() < 0.75:
            return self.called[i]
        return "the " + self.rng.choice(SAID.get(self.roles[i], (self.roles[i].lower(),)))

    def fill(self, text, own, lists):
        """Choices made, slots filled; the slots' values are kept in `own`."""
        text = re.sub(r"<([^<>]*\|[^<>]*)>", lambda m: self.rng.choice(m.group(1).split("|")), text)

        def value(m):
            name = m.group(1)
            key = name[0].lower() + name[1:]
            if key not in own:
                own[key] = self.rng.choice(lists[key]) if key in lists else self.writer.value(key, own)
                own[key] = re.sub(r"\{(\w+)\}", lambda n: self.writer.value(n.group(1), own) if n.group(1) not in "AB" else n.group(), own[key])
            return own[key] if name == key else own[key][0].upper() + own[key][1:]

        text = re.sub(r"\{A!\}", self.short_name(0), text)
        text = re.sub(r"\{([a-zA-Z]\w*)\}", lambda m: m.group() if m.group(1) in ("A", "B", "a", "b") else value(m), text)
        text = re.sub(r"(between [^\0]{0,30})\0", r"\1 and ", text).replace("\0", " to ")
        return text

    def name_parties(self, text):
        def called(m):
            name = self.called["AB".index(m.group(3))]
            if m.group(4) and name == "you":
                return m.group(1) + m.group(2) + ("Your" if m.group(1) or m.start() == 0 else "your")
            possessive = m.group(4) and ("'" if name.endswith("s") and self.plural else "'s")
            if m.group(1) or m.start() == 0:
                name = name[0].upper() + name[1:]
            return m.group(1) + m.group(2) + name + (possessive or "")

        text = re.sub(r"((?:^|[.?!:] )?)((?:\[\w:)?)\{([AB])\}('s)?", called, text)
        text = re.sub(r"((?:^|[a-z]{2}\]?[.?] )(?:\[\w:)?)([a-z])", lambda m: m.group(1) + m.group(2).upper(), text)
        return re.sub(r"((?:\.m|Inc|\.V)\.\]?)\.", r"\1", text)

    def question(self, text, own, lists, answers=()):
        text = self.fill(text, own, lists)
        for i, who in enumerate("ab"):
            text = re.sub(r"\{%s\}" % who, lambda _, i=i: self.people(i), text)
        return Question(text[0].upper() + text[1:], list(answers))

    def clause(self, clause, as_term=False):
        """The text of the clause, and what can be asked about it."""
        own = {}
        wordings = clause.terms if as_term else clause.wordings
        if self.you or self.plural:
            wordings = [w for w in wordings if not SINGULAR.search(w)] or wordings
        text = self.name_parties(self.fill(self.rng.choice(wordings), own, clause.lists))
        marks = {}

        def marked(m):
            shown, marks[m.group(1)] = self.task.mark(m.group(2))
            return shown

        text = SPAN.sub(marked, text)
        for label, asked in clause.questions.items():
            if label in marks:
                for q in self.rng.sample(asked, min(3, len(asked))):
                    self.asked.append((f"{clause.name} {label}", self.question(q, own, clause.lists, [marks[label]])))
        for q in clause.without:
            self.asked.append((f"- {clause.name}", self.question(q, own, clause.lists)))
        return text

    def ask(self, group, questions, mark):
        for q in self.rng.sample(questions, min(2, len(questions))):
            self.asked.append((group, Question(q, [mark])))

    def head(self):
        """Title, date and parties."""
        rng, writer = self.rng, self.writer
        title = rng.choice((self.title, self.title.upper(), f"# {self.title}", f"**{self.title}**", f"{self.title} No. {needles.code(rng)}"))
        signed = writer.date(-rng.randint(0, 40))
        if self.plural:
            house, h = self.task.mark(writer.street())
            issuer, i = self.task.mark(self.parties[0])
            day, d = self.task.mark(signed)
            self.ask("house", ["Which building are these rules for?", "What house do the rules apply to?", "What is the address of the building?"], h)
            self.ask("issuer", ["Who made these rules?", "Who manages the building?", "Who issued the house rules?"], i)
            self.ask("valid", ["Since when do the rules apply?", "From what date are the rules in force?", "When did the rules come into force?"], d)
            return [title, rng.choice((
                f"These rules apply to everyone who lives at {house}. They were issued by {issuer} ({self.called[0]}) and are in force from {day}.",
                f"House: {house}\nIssued by: {issuer}, {self.called[0]}\nIn force from: {day}",
                f"In force from {day}, for all {self.roles[1].lower()} of {house} and their visitors. Responsible: {issuer} ({self.called[0]}).",
            ))]  # fmt: skip
        day, d = self.task.mark(signed)
        city, c = self.task.mark(writer.value("city", {}))
        names, places, quoted = [], [], []
        for i in (0, 1):
            role = self.roles[i]
            people = sorted({role.lower(), *SAID.get(role, ())})
            people = [p for p in people if p not in ("boss", "company")] or [role.lower()]
            name, n = self.task.mark(self.parties[i])
            place, p = self.task.mark(writer.value("street", {}))
            who = rng.choice(people)
            self.ask(f"party {i}", [f"Who is the {rng.choice(people)}?", f"What is the name of the {who}?", f"What is the {who} called?"], n)
            verb = "live" if not self.are_firms[i] else "have its office"
            self.ask(f"address {i}", [f"What is the address of the {who}?", f"Where does the {who} {verb}?", f"What address does the {who} give?"], p)
            names.append(name)
            places.append(place)
            call = f"{role}: {self.called[i]}" if self.by_name else self.called[i]
            call = f'"{self.called[i]}"' if not self.by_name else f'as {role.lower()}, "{self.called[i]}"'
            quoted.append(f'"the {role}" or "you"' if self.you and i else call)
            if self.are_firms[i] and rng.random() < 0.4:
                agent, a = self.task.mark(writer.value("person", {}))
                post = rng.choice(("managing director", "director", "chief executive", "general manager", "head of administration"))
                places[i] += f", represented by its {post} {agent}"
                self.ask(f"agent {i}", [f"Who signs for the {who}?", f"Who represents the {who} when signing?", f"Who is the {post} of the {who}?"], a)
        (na, nb), (pa, pb), (qa, qb) = names, places, quoted
        la, lb = self.roles
        form = rng.randrange(6)
        if form == 0:
            text = f"This agreement is made in {city} on {day} between {na}, {pa} (hereinafter {qa}), and {nb}, {pb} (hereinafter {qb})."
        elif form == 1:
            text = f"{la}: {na}\nAddress: {pa}\n\n{lb}: {nb}\nAddress: {pb}\n\nPlace and date of signing: {city}, {day}"
            if self.by_name or self.you:
                text += f"\n\nBelow, the parties are called {qa} and {qb}."
        elif form == 2:
            text = f"PARTIES\n\n(1) {na}, of {pa} ({qa}); and\n\n(2) {nb}, of {pb} ({qb}).\n\nSigned in {city} on {day}."
        elif form == 3:
            text = f"Between\n\n{na}\n{pa}\n- hereinafter {qa} -\n\nand\n\n{nb}\n{pb}\n- hereinafter {qb} -\n\nthe following was agreed in {city} on {day}:"
        elif form == 4:
            text = f"On {day}, in {city}, the undersigned {na} ({qa}), residing or established at {pa}, and {nb} ({qb}), at {pb}, have agreed as follows."
        else:
            text = f"THIS AGREEMENT dated {day} is entered into by {na} ({qa}) and {nb} ({qb}) at {city}.\n{la}'s address: {pa}\n{lb}'s address: {pb}"
        self.ask("signed", ["When was the contract signed?", "What is the date of the agreement?", "On what day was this signed?"], d)
        self.ask("where", ["Where was the contract signed?", "In which town was this signed?", "What is the place of signing?"], c)
        return [title, text]

    def tail(self):
        rng = self.rng
        if self.plural or rng.random() < 0.4:
            return []
        lines = [f"_____________________\n{self.roles[i]}" for i in (0, 1)] if rng.random() < 0.6 else [f"{self.parties[0]}          {self.parties[1]}"]
        if rng.random() < 0.3:
            witness, w = self.task.mark(self.writer.value("person", {}))
            lines.append(f"{rng.choice(('Witness', 'Witnessed by', 'In the presence of'))}: {witness}")
            self.ask("witness", ["Who was the witness?", "Who witnessed the signatures?", "Who was there when they signed?"], w)
        return ["\n\n".join(lines)]

    def choose(self):
        """Clauses of the document, in an order near that of the bank."""
        rng = self.rng
        size = rng.choice((5, 7, 8, 10, 11, 12, 13, 14, 15, 16, 18, 20, 24, 30, 40))
        fitting = [c for c in CLAUSES if self.kind in c.kinds]
        chosen = [BY_NAME[n] for n in self.first if rng.random() < 0.85]
        for c in rng.sample(fitting, len(fitting)):
            if len(chosen) < size and c.group not in [x.group for x in chosen]:
                chosen.append(c)
        at = {c.name: CLAUSES.index(c) + rng.gauss(0, 4) - 300 * (c.name in self.first) for c in chosen}
        return sorted(chosen, key=lambda c: at[c.name])

    def absent(self, chosen):
        """A question about what another agreement of the kind would say."""
        rng, present = self.rng, {c.name for c in chosen}
        groups = {c.group for c in chosen}
        left = [c for c in CLAUSES if c.name in ABSENT and self.kind in c.kinds and c.group not in groups and not present & set(ABSENT[c.name])]
        if not left:
            return None
        c = rng.choice(left)
        return self.question(rng.choice(rng.choice(list(c.questions.values()))), {}, c.lists)

    def idle(self):
        """One or two sentences that nobody asks about, none of them twice in a document."""
        left = [s for s in IDLE if s not in self.idled and not ((self.you or self.plural) and re.search(r"\{B\} (confirms|and)|of \{B\}", s))]
        chosen = self.rng.sample(left, min(self.rng.choice((1, 1, 2)), len(left)))
        self.idled.update(chosen)
        return self.name_parties(" ".join(chosen))

    def recital(self):
        if self.rng.random() < 0.6:
            return []
        said = [self.name_parties(s) for s in RECITALS[self.kind] if not (self.you and "{B}" in s)]
        said = self.rng.sample(said, self.rng.randint(1, len(said))) if said else []
        if self.kind in "GHUO":
            return said
        return [self.rng.choice(("Background", "WHEREAS", "Preamble", "Recitals")) + "\n" + "\n".join(said)]

    def body(self, chosen):
        """The clauses, laid out in one of the ways in which agreements are."""
        rng, out = self.rng, []
        terms = [c for c in chosen if c.terms and rng.random() < 0.75] if rng.random() < 0.3 else []
        if terms:
            heading = rng.choice(("Key terms", "Summary of terms", "Particulars", "At a glance", "Main terms"))
            bullet = rng.choice(("- ", "", "* ", "• "))
            out.append(heading + "\n" + "\n".join(bullet + self.clause(c, True) for c in terms))
        chosen = [c for c in chosen if c not in terms]
        form, idle = rng.randrange(10), rng.choice((0, 0, 0.1, 0.2, 0.4, 0.6))
        i = 0
        while i < len(chosen):
            together = chosen[i : i + (rng.choice((1, 1, 2, 3)) if form == 8 else 1)]
            i += len(together)
            number = len(out) + 1 - bool(terms)
            heading = "; ".join(c.headings[0] if len(together) > 1 else rng.choice(c.headings) for c in together)
            texts = [self.clause(c) + (" " + self.idle() if rng.random() < idle else "") for c in together]
            if form in (3, 8) or (form == 7 and rng.random() < 0.5):
                sentences = [s for t in texts for s in re.split(r"(?<=[^.]{4}\.) (?=[\ue000-\ue7ff]?[A-Z])", t)]
                mark = "({x})" if form == 7 else "{n}.{k}"
                if form != 7 or len(sentences) > 1:
                    texts = [mark.format(n=number, k=k, x=chr(96 + k)) + " " + s for k, s in enumerate(sentences, 1)]
            text = "\n".join(texts)
            out.append(
                f"{number}. {heading}\n{text}" if form in (0, 3, 8) else
                f"§ {number} {heading}\n\n{text}" if form == 1 else
                f"## {heading}\n\n{text}" if form == 2 else
                f"{heading.upper()}\n{text}" if form == 4 else
                f"{number}. {text}" if form == 5 else
                f"Article {number} - {heading}\n{text}" if form == 6 else
                f"{number}) {heading}\n{text}" if form == 7 else
                f"**{heading}.** {text}"
            )  # fmt: skip
        return out

    def finish(self, chosen):
        """Six to fourteen questions, of them about one in eight without an answer, first one of each thing that can be asked."""
        rng = self.rng
        groups = {}
        for group, q in self.asked:
            groups.setdefault(group, []).append(q)
        real = [g for g in groups if not g.startswith("- ")]
        head = {"signed", "where", "party 0", "party 1", "address 0", "address 1", "agent 0", "agent 1", "house", "issuer", "valid"}
        real = [g for g in real if g not in head or rng.random() < 0.35]
        rng.shuffle(real)
        order = [rng.choice(groups[g]) for g in real]
        order += [q for g in real for q in groups[g] if q not in order]
        total = rng.randint(6, 14)
        without = sum(rng.random() < 0.125 for _ in range(total))
        if len(order) < total:  # a short document is asked about its parties, too
            order += [rng.choice(groups[g]) for g in groups if g in head and g not in real]
        seen = set()
        for q in order:
            if len(self.task.questions) < total - without and q.text not in seen:
                seen.add(q.text)
                self.task.questions.append(q)
        near = [rng.choice(groups[g]) for g in groups if g.startswith("- ")]
        rng.shuffle(near)
        wanted = max(len(self.task.questions) + without, 6)
        for _ in range(30):
            if len(self.task.questions) == wanted:
                break
            q = near.pop() if near and rng.random() < 0.5 else self.absent(chosen)
            if q and q.text not in seen:
                seen.add(q.text)
                self.task.questions.append(q)
        rng.shuffle(self.task.questions)


def draw(rng, words):
    agreement = Agreement(rng, words)
    chosen = agreement.choose()
    parts = [*agreement.head(), *agreement.recital(), *agreement.body(chosen), *agreement.tail()]
    agreement.task.facts = ["\n\n".join(parts)]
    agreement.finish(chosen)
    agreement.task.prune()
    return agreement.task
