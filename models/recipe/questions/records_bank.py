"""The subjects of records.py: rows of coherent columns, headers, and questions about them in other words than the headers'."""

from datetime import timedelta

# Sentences around any table; the words in brackets are the answer.
GENERAL = [
    ("Last updated [{date}].|This list was last revised on [{date}].|As of [{date}].|State of the data: [{date}].",
     "When was this last updated?|How old is this list?|As of when is this information?|What date is this from?"),
    ("Corrections to [{mail}], please.|If you find a mistake, write to [{mail}].|Errors? Mail them to [{mail}].",
     "Where do I report a mistake?|Who do I write to if something is wrong here?|Which address takes corrections?"),
    ("Compiled by [{person}].|[{person}] put this overview together.|Prepared by: [{person}]|List kept by [{person}].",
     "Who made this list?|Who compiled this?|Who put this together?|Who prepared this document?"),
    ("All information without guarantee; the next edition appears in [{month}].|A new version of this sheet will follow in [{month}].",
     "When does the next edition come out?|When will there be a new version of this sheet?"),
    ("Printed copies are kept at [the front desk].|You will find a printout [on the notice board by the stairs].|"
        "A paper copy hangs [in the hallway].",
     "Where can I find a printed copy?|Where is the paper version?"),
    ("Page 1 of [{n}].|This is an extract; the full document has [{n} pages].", "How many pages does the whole thing have?"),
    ("Document number [{code}].|Ref. [{code}]|Please quote [{code}] in all correspondence.",
     "What's the reference of this document?|Which number do I quote when I write about this?"),
]  # fmt: skip
NO_ROW = (
    "[{out}] has been taken off this list.|[{out}] is no longer included here.|Not in this edition any more: [{out}].|"
        "We have removed [{out}] since the last edition.",
    "What has been removed from the list?|What is not in this edition any more?|Which entry was taken off?",
)

ANIMALS = (
    "Heron|Badger|Otter|Lynx|Falcon|Hedgehog|Magpie|Walrus|Gecko|Beaver|Ibex|Puffin|Weasel|Marmot|Kestrel|Tapir|Newt|Osprey|Quail|"
    "Stoat|Dormouse|Pelican"
)
MOODS = "Hazy|Bold|Gentle|Rusty|Quiet|Lucky|Stormy|Amber|Frosty|Brave|Dizzy|Mellow|Nimble|Silver|Wild|Eager|Cosmic|Jolly|Sleepy|Grumpy|Vivid|Tidy"
PRODUCTS = (
    "Larkspur|Ubik OS|Fennel|Nordlys|Tamarin|Quill|Basalt Linux|Orchid|Pelago|Kestrel DB|Mosaic|Cirrus|Vellum|Halyard|Copperfield|"
    "Juniper CMS|Lodestar"
)
WEEK = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
CITIES = (
    "Leeds|York|Hull|Derby|Bath|Exeter|Truro|Oxford|Reading|Norwich|Ipswich|Lincoln|Durham|Carlisle|Chester|Preston|Dover|Perth|Inverness|Swansea|"
    "Cardiff|Bristol|Plymouth|Brighton|Lyon|Ghent|Bremen|Graz|Turin|Porto|Basel|Malmö|Tampere|Gdansk|Brno|Split|Utrecht|Aarhus|Bergen|Galway"
)


def releases(p, n):
    product, major, low = p.pick(PRODUCTS), p.int(3, 14), p.rng.random() < 0.5
    animals, moods, days = p.some(ANIMALS, n), p.some(MOODS, n), p.series(n, 120, 260, p.when(2004, 2012))
    rows = []
    for i, (a, m, d) in enumerate(zip(animals, moods, days)):
        years = p.int(1, 5)
        rows.append(dict(version=f"{major + i // 2}.{('04', '10')[i % 2]}" if low else f"{major + i}.{p.int(0, 4)}", codename=f"{m} {a}",
            date=p.day(d),
            until=p.month(d + timedelta(365 * years)), kernel=f"{2 + i // 6}.{p.int(0, 9)}.{p.int(10, 99)}", theme=p.pick("brown|orange|purple|teal|"
                "grey|navy|olive"),
            manager=p.person(), _month=p.month(d), _adj=m, _animal=a, _product=product))  # fmt: skip
    return rows


def changelog(p, n):
    parts = p.some("login page|PDF export|search box|invoice printing|calendar sync|dark mode|spell checker|backup wizard|photo import|"
        "barcode scanner|"
                   "address book|map view|offline mode|French translation|undo function|price calculator|toolbar|font picker|mail merge|"
                       "label printing", n)  # fmt: skip
    days = p.series(len(parts), 5, 60)
    a, b = p.int(0, 6), p.int(0, 5)
    return [dict(version=f"{a}.{b + i // 3}.{i % 3}", date=p.day(d), change=p.pick("new {x}|rewritten {x}|fixed {x}|faster {x}|{x} removed|"
        "{x} added").replace("{x}", x),
                 author=p.person(), ticket=f"#{p.int(100, 4999)}", _part=x) for i, (d, x) in enumerate(zip(days, parts))]  # fmt: skip


SHOP = ("ballpoint pens;box of 20|copy paper;500 sheets|envelopes C5;pack of 100|ring binders;A4, wide|sticky notes;12 pads|staples;box of 5,000|"
    "scissors;21 cm|"
        "glue sticks;pack of 6|paper clips;tin of 200|highlighters;set of 4|desk lamp;LED|printer toner;black|wall planner;A1|"
            "rubber bands;bag of 250 g|hole punch;2 holes|"
        "whiteboard markers;set of 8|calculator;solar|mouse pad;felt|waste bin;15 l|letter trays;set of 3|correction tape;5 mm|"
            "pencil sharpener;metal|"
        "coffee filters;size 4|dish soap;1 l|light bulbs;E27|extension lead;5 m|batteries AA;pack of 10|notebooks;ruled, A5|clipboards;A4|"
            "packing tape;66 m")  # fmt: skip


def prices(p, n):
    rows = []
    for x in p.some(SHOP, n):
        item, pack = x.split(";")
        rows.append(dict(item=item[0].upper() + item[1:], pack=pack, no=str(p.int(10000, 99999)), price=p.amount(1, 60, 0.05), stock=str(p.int(0,
            400)),
                         delivery=p.pick("next day|2 days|3 to 5 days|1 week|2 weeks|on request"), maker=p.firm(), _item=item))  # fmt: skip
    return rows


def fares(p, n):
    rows = []
    for i, city in enumerate(p.some(CITIES, n)):
        a = p.int(4, 90)
        rows.append(dict(to=city, single=f"{a}.{p.pick('00|20|50|80|40')}", back=f"{int(a * 1.7) + 1}.{p.pick('00|30|50|90')}",
            child=f"{a // 2}.{p.pick('10|25|60|70')}",
                         first=f"{int(a * 1.9) + 2}.{p.pick('00|50|40')}", minutes=str(p.int(15, 300)), change=p.pick("direct|direct|" + p.place())))  # fmt: skip
    return rows


def trains(p, n):
    t, rows = p.int(60, 84) * 5, []
    for city in p.some(CITIES, n):
        length = p.int(4, 40) * 5
        rows.append(dict(leaves=p.clock(t), to=city, platform=str(p.int(1, 14)) + p.pick("|||a|b"),
            train=p.pick("IC|RE|RB|S|EC|R") + " " + str(p.int(10, 9999)),
                         arrives=p.clock(t + length), via=p.place(), note=p.pick("no bicycles|restaurant car|mornings only|Sundays only|"
                         "reservation needed|quiet coach|first class only|-")))  # fmt: skip
        t += p.int(1, 9) * 5 + p.int(0, 4)
    return rows


JOBS = ("head of sales;Sales|payroll clerk;Human Resources|caretaker;Facilities|receptionist;Front Desk|accountant;Finance|network administrator;IT|"
    "data protection officer;Legal|"
        "buyer;Purchasing|press officer;Communications|lab manager;Laboratory|canteen manager;Canteen|librarian;Library|works doctor;Health|"
            "driver;Fleet|archivist;Archive|"
        "trainee adviser;Training|warehouse foreman;Warehouse|web designer;Marketing|quality manager;Quality|secretary;Management|"
            "translator;Languages|fire safety officer;Safety")  # fmt: skip


def staff(p, n):
    rows = []
    for job in p.some(JOBS, n):
        who, (job, unit) = p.person(), job.split(";")
        rows.append(dict(name=who, job=job, unit=unit, ext=str(p.int(100, 9999)), room=p.pick("A|B|C|") + str(p.int(1, 4)) + f"{p.int(1, 40):02}",
            mail=p.mail(who),
                         since=str(p.int(1995, p.year)), _last=who.split()[1]))  # fmt: skip
    return rows


MATTERS = ("parking;parking permits|lost keys;keys and locks|holidays;leave requests|a broken lift;lifts|payslips;wages and payslips|"
    "the printer;printers and copiers|moving house;change of address|"
           "dog tax;dog licences|passports;passports and ID cards|bulky waste;bulky waste collection|birth certificates;civil registry|"
               "noise;noise complaints|a lost wallet;lost property|building permits;building applications|"
           "nursery places;nurseries|street lights;street lighting|a burst pipe;water and heating|school buses;school transport|weddings;marriages|"
               "allotments;allotment gardens|fishing licences;angling permits|"
           "graves;cemeteries|trees;tree protection|business registration;trade office|potholes;road damage|voting;elections")  # fmt: skip


def contacts(p, n):
    rows = []
    for x in p.some(MATTERS, n):
        word, matter = x.split(";")
        who = p.person()
        rows.append(dict(matter=matter[0].upper() + matter[1:], who=who, phone=p.phone(), room=str(p.int(1, 4)) + f"{p.int(1, 30):02}",
            hours=p.pick(WEEK[:5])[:3] + " " + f"{p.int(8, 10)}–{p.int(11, 17)}",
                         deputy=p.person(), _word=word, _matter=matter, _last=who.split()[1]))  # fmt: skip
    return rows


GOODS = ("hex bolts M8|wood screws 4x40|copper pipes 15 mm|ball valves 1/2|garden hoses|paint tins, white|sanding discs|cable ties|junction boxes|"
    "hinges, brass|roof battens|"
         "silicone tubes, clear|work gloves|drill bits 6 mm|fuses 16 A|door handles|insulation rolls|gutter brackets|adhesive tubes|shelf pegs|"
             "snap hooks|padlocks|castors|paint rollers|wall plugs")  # fmt: skip


def stock(p, n):
    return [dict(item=x[0].upper() + x[1:], no=p.code(), bin=p.pick("A|B|C|D|E|F") + str(p.int(1, 30)) + "-" + str(p.int(1, 6)),
        have=f"{p.int(0, 3000)}", least=str(p.int(1, 50) * 5),
                 supplier=p.firm(), counted=p.day(p.when()), _item=x) for x in p.some(GOODS, n)]  # fmt: skip


def exams(p, n):
    numbers = p.some([str(k) for k in range(10000, 10000 + 7 * n)], n)
    rows = []
    for who, no in zip(p.people(n), numbers):
        a, b = p.int(20, 60), p.int(10, 40)
        rows.append(dict(name=who, no=no, written=str(a), oral=str(b), total=str(a + b), grade=p.pick("A|B|C") if a + b > 60 else p.pick("D|E|F"),
                         examiner="Dr " + who_else(p), _last=who.split()[1]))  # fmt: skip
    return rows


def who_else(p):
    return p.pick("Ames|Boyle|Corrigan|Denholm|Everett|Farrow|Gilchrist|Hobday|Inskip|Jessop|Kemble|Lomax|Marchetti|Nuttall|Oakes|Pargeter|Rowntree|"
        "Sedgwick|Tolland|Upjohn|Wetherby")


def race(p, n):
    seconds, rows = p.int(1900, 9000), []
    for i, who in enumerate(p.people(n), 1):
        rows.append(dict(place=str(i), bib=str(p.int(1, 9) * 100 + i * 2), name=who, club=p.pick(["TV ", "AC ", "Run ", "LG ", ""]) + p.place(),
            born=str(p.int(1960, 2006)),
                         time=f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}", _last=who.split()[1],
                         _race=p.pick("Harbour Run|Forest Half Marathon|City Mile|Hill Race|Lake Relay")))  # fmt: skip
        seconds += p.int(1, 200)
    return rows


def league(p, n):
    clubs = p.some([f"{p.place()} {x}" for x in "United|City|Rovers|Athletic|Town|Wanderers|Albion|Rangers|Harriers|Argyle|Villa|Orient|County|"
        "Thistle".split("|")], n)
    points, rows = p.int(60, 90), []
    for i, club in enumerate(clubs, 1):
        w = points // 3 - p.int(0, 2)
        d = points - 3 * w
        rows.append(dict(pos=str(i), club=club, played="38", won=str(w), drawn=str(d), lost=str(max(0, 38 - w - d)),
            goals=f"{p.int(20, 90)}:{p.int(20, 80)}", points=str(points),
                         ground=p.pick("The Meadow|Mill Lane|Park Road|Station Field|Canal Street|Stadium of Hope|Elm Park|Quayside|Bell End|"
                         "New Ground|Brick Lane|The Dell|Priory Road|Moor Park"),
                         manager=p.person(), _short=club.split()[0]))  # fmt: skip
        points -= p.int(1, 5)
    return rows


def matches(p, n):
    places = list({p.place(): 1 for _ in range(3 * n)})
    return [dict(date=p.short(d), home=a, away=b, score=f"{p.int(0, 5)}–{p.int(0, 4)}", crowd=f"{p.int(120, 42000):,}", referee=p.person(),
        kick=p.clock(p.pick([780, 840, 900, 930, 1050, 1170, 1200])))
            for d, a, b in zip(p.series(n, 2, 9), places[::2], places[1::2])]  # fmt: skip


SUBJECTS = {
    "releases": dict(
        titles="Release history|{_product} releases|Versions of {_product} and their support|Which version is still supported?",
        rows=releases, optional="until kernel theme manager", parts={"_adj": "codename", "_animal": "codename", "_month": "date"},
        columns={
            "version": ("Version|Release|Number", "Which version is {codename}?|What number does {codename} have?|"
                "What's the version number behind {_adj}?|"
                        "Which release came out in {_month}?|Which {_product} was released on {date}?|"
                        "Which {_product} version goes by the name {codename}?"),
            "codename": ("Codename|Code name|Nickname|Name", "What was {version} called?|What is {_product} {version} also known as?|"
                "What nickname did {version} get?|Which animal stands for {version}?|"
                         "Which one came out on {date}?|Which release did {manager} look after?"),
            "date": ("Released|Release date|Date|Published", "When was {codename} released?|When did {version} come out?|"
                "When did {_animal} come out?|On what day did {_product} {version} appear?|{_adj} release date?|Since when is {version} available?"),
            "until": ("Supported until|End of support|End of life|EOL|Security fixes until", "How long is {version} supported?|"
                "When does support for {codename} run out?|Until when does {version} get updates?|When will I have to leave {_animal}?|"
                    "When is {_adj} no longer maintained?"),
            "kernel": ("Kernel|Linux kernel", "Which kernel comes with {version}?|What kernel does {codename} run on?|Which kernel is in {_animal}?"),
            "theme": ("Default colour|Desktop colour", "What colour is the desktop in {version}?|What does {codename} look like, which colour?"),
            "manager": ("Release manager|Managed by", "Who was in charge of {codename}?|Who managed the {version} release?|"
                "Who is behind {_adj} {_animal}?"),
        },
        lacks="How big is the download of {version}?|Who drew the wallpaper of {codename}?|How many bugs were fixed in {version}?|"
            "Does {codename} run on a Raspberry Pi?",
        sentences="{_product} {version}, code-named {codename}, was released on {date} and is supported until {until}.|"
            "{codename} ({version}) came out on {date}; its support ends in {until}.".replace("{_product} ", "Version "),
        notes=[("Versions with a grey background get [security fixes only].", "What do the versions with a grey background still get?"),
               ("A new release appears every [six months].|We publish a release [twice a year].", "How often is there a new release?|"
                   "How frequently do new versions come out?")],
    ),
    "changelog": dict(
        titles="Changes|Changelog|What's new|Version history", rows=changelog, optional="author ticket", parts={"_part": "change"},
        columns={
            "version": ("Version|Release", "Which version changed the {_part}?|In which release did something happen to the {_part}?|"
                "Where did {ticket} go in?|What came out on {date}?|Which version has {author}'s work?|"
                    "Since which version is there a change to the {_part}?"),
            "date": ("Date|Released", "When did {version} come out?|When was the {_part} changed?|How old is {version}, from what day?|"
                "When did {author} touch the {_part}?"),
            "change": ("Change|Summary|What changed", "What changed in {version}?|What's new in {version}?|What did {author} do?|"
                "What was done for {ticket}?|What happened on {date}?"),
            "author": ("By|Author", "Who worked on the {_part}?|Who did {version}?|Who fixed {ticket}?|Whom can I ask about the {_part}?"),
            "ticket": ("Ticket|Issue", "Which ticket was about the {_part}?|What issue number belongs to {version}?"),
        },
        lacks="Who tested {version}?|How large is {version}?|Which customers asked for the {_part}?",
        sentences="{version} ({date}): {change}.|On {date} we published {version} with this: {change}.",
        notes=[("Versions before 0.9 are [no longer available for download].", "Can I still download versions before 0.9?")],
    ),
    "prices": dict(
        titles="Price list|Office supplies|Our prices|Catalogue extract", rows=prices, optional="no stock delivery maker pack",
            parts={"_item": "item"},
        columns={
            "item": ("Article|Item|Product|Description", "What is article {no}?|What do I get if I order {no}?|Which thing costs {price}?|"
                "What comes from {maker}?"),
            "no": ("Art. no.|Order number|SKU|Item code", "Which number do I give to order the {_item}?|How do I order {_item}, under what code?|"
                "Order number for {_item}?"),
            "pack": ("Pack|Unit|Size", "In what size do I get the {_item}?|What size or pack is {no}?|What do I get for the price of the {_item}?"),
            "price": ("Price ~money|Unit price ~money|Net ~money|Each ~money", "How much for the {_item}?|What do you charge for {_item}?|"
                "What does {no} cost?|How expensive is {no}?|How much do I pay for {_item}?|{_item} price"),
            "stock": ("In stock|Available|Quantity on hand", "Number of {_item} you still have?|How many of {no} are left?|"
                "How much {_item} is left?"),
            "delivery": ("Delivery|Lead time|Ships in", "How long do I wait for {_item}?|How fast can I have {_item}?|How soon does {no} arrive?"),
            "maker": ("Manufacturer|Brand|Made by", "Who makes the {_item}?|Which company does {no} come from?|Whose product is the {_item}?"),
        },
        lacks="What colour for the {_item}?|How heavy is the pack of {_item}?|What guarantee is there on the {_item}?|"
            "What discount do I get on {_item}?",
        sentences="{item} ({pack}): {price}, order number {no}.|Under the number {no} we sell {item}, {pack}, at {price}.",
        notes=[("Orders above [{money}] are delivered free of charge.|Free delivery from [{money}].", "From what amount is delivery free?|"
            "How much do I have to spend for free shipping?"),
               ("Prices do not include [VAT].", "What is not included in the prices?"), ("Returns are accepted within [{n} days].",
                   "How long can I return things?|By when must I send something back?")],
    ),
    "fares": dict(
        titles="Fares|Ticket prices|What does the train cost?|Rail fares", rows=fares, optional="child first minutes change back",
        columns={
            "to": ("To|Destination|Station", "Where can I go for {single}?|Which place is {minutes} away?|Where does a return cost {back}?"),
            "single": ("Single ~money|One way ~money|Adult single ~money", "How much is a single to {to}?|What does it cost to go to {to} one way?|"
                "How much is it just to {to}, not back?|Cheapest adult ticket to {to}, one way?"),
            "back": ("Return ~money|Round trip ~money|Adult return ~money", "How much is a return to {to}?|What do I pay for {to} and back?|"
                "{to} there and back, how much?|What does a round trip to {to} cost?"),
            "child": ("Child ~money|Child single ~money|Under 15 ~money", "How much does my daughter pay to {to}?|What do kids pay to {to}?|"
                "What does a child's ticket to {to} cost?|{to} price for a 10-year-old?"),
            "first": ("First class ~money|1st class single ~money", "How much is {to} first class?|What does it cost to travel to {to} in first?"),
            "minutes": ("Journey time ~min|Duration ~min|Travel time ~minutes", "How long does it take to {to}?|How long is the ride to {to}?|"
                "How far is {to} in time?"),
            "change": ("Change at|Change|Changes", "Where do I change for {to}?|Do I have to change on the way to {to}?"),
        },
        lacks="How much is a bicycle to {to}?|What does a monthly pass to {to} cost?|What do pensioners pay to {to}?|"
            "How many trains a day go to {to}?",
        sentences="A single to {to} costs {single}, a return {back}.|{to}: one way {single}, there and back {back}.",
        notes=[("Children under [{n}] travel free.|[Under-fives] need no ticket.", "Who travels free?|Who doesn't need a ticket?"),
            ("Dogs need a [child ticket].", "What kind of ticket does my dog need?"),
               ("A booking fee of [{money}] applies at the counter.", "What is the fee at the counter?|"
                   "How much extra do I pay when I buy at the counter?")],
    ),
    "trains": dict(
        titles="Departures|Timetable|Trains today|Departure board", rows=trains, optional="train arrives via note", parts={},
        columns={
            "leaves": ("Departs|Dep.|Time|Leaves at", "When does the train to {to} leave?|When must I be at the station for {to}?|"
                "What time is the {to} train?|When does {train} go?|When does the train via {via} set off?"),
            "to": ("To|Destination|Towards", "Where does the {leaves} go?|Where does {train} go?|Where will I end up with the train at {leaves}?|"
                "Where does the train from platform {platform} go?|Which place do I reach at {arrives}?"),
            "platform": ("Platform|Plat.|Track|Pl.", "Which platform for {to}?|Where does the {leaves} train leave from?|"
                "Where do I stand for {train}?|What track is the {to} train on?"),
            "train": ("Train|Service|Train no.", "Which train leaves at {leaves}?|Which train do I take to {to}?|"
                "What's the number of the {to} train?|Which train gets in at {arrives}?|Which one goes via {via}?"),
            "arrives": ("Arrives|Arr.|Arrival", "When will I be in {to}?|When does the {leaves} get there?|What time do I get to {to}?|"
                "When does {train} arrive?"),
            "via": ("Via|Calls at", "Which way does the {to} train go?|Where does {train} stop on the way?|Which stop is there on the way to {to}?"),
            "note": ("Note|Remarks|Information", "Is there something special about the {leaves} to {to}?|"
                "What should I know about the train to {to}?|What applies to {train}?"),
        },
        lacks="How much is a ticket to {to}?|How many minutes is the {to} train late?|Who drives the {leaves}?|"
            "How many coaches does the train to {to} have?",
        sentences="At {leaves} the {train} leaves from platform {platform} for {to}, where it arrives at {arrives}.|"
            "{train} to {to}: departs {leaves}, platform {platform}, arrives {arrives}.",
        notes=[("On public holidays trains run [as on Sundays].", "How do the trains run on public holidays?"),
            ("The ticket office opens at [{clock}].", "When does the ticket office open?|From when can I buy tickets at the office?")],
    ),
    "staff": dict(
        titles="Telephone list|Who's who|Staff directory|Contacts in the house", rows=staff, optional="room mail since unit", parts={"_last": "name"},
        columns={
            "name": ("Name|Employee|Who", "Who is the {job}?|Whose extension is {ext}?|Who sits in {room}?|Who works in {unit}?|"
                "Who picks up on {ext}?|Which colleague is from {unit}?|Whose address is {mail}?"),
            "job": ("Position|Job|Function|Title", "What does {name} do here?|What is {_last}'s job?|What does the person in {room} do?|"
                "As what is {_last} employed?"),
            "unit": ("Department|Unit|Team", "Which department is {_last} in?|Where does {name} work?|What team does the {job} belong to?"),
            "ext": ("Ext.|Extension|Phone|Tel.", "How do I reach {_last} by phone?|What do I dial for {name}?|What number does the {job} have?|"
                "Under which number do I get the {job}?|Phone number of someone in {unit}?|{_last} phone"),
            "room": ("Room|Office", "Where does {_last} sit?|Where is {name}'s office?|Where do I find the {job}?|Behind which door is the {job}?"),
            "mail": ("E-mail|Mail|Email address", "What is {_last}'s mail address?|Where can I write to the {job}?|How can I write to {name}?"),
            "since": ("Since|With us since|Joined", "When did {_last} start here?|How long has {name} been with us, since when?|"
                "Since when do we have this {job}?"),
        },
        lacks="When is {_last}'s birthday?|How much does the {job} earn?|Who stands in for {name}?|Where does {_last} live?",
        sentences="{name} is our {job} and can be reached on {ext}.|On {ext} you reach {name} ({job}).",
        notes=[("From outside dial [{phone}] and then the extension.",
            "What do I dial first from outside?|How do I call an extension from outside?"), ("In an emergency dial [112].",
                "What do I dial in an emergency?")],
    ),
    "contacts": dict(
        titles="Who to ask|Your contacts|Where do I turn to?|Town hall: who does what", rows=contacts, optional="room hours deputy",
            parts={"_word": "matter", "_matter": "matter", "_last": "who"},
        columns={
            "matter": ("Matter|Topic|Subject|About", "What is {_last} responsible for?|What can I ask {who} about?|"
                "What do they deal with in room {room}?|What is {phone} for?"),
            "who": ("Contact|Person|Responsible|Ask", "Who is in charge of {_matter}?|Who deals with {_matter}?|Whom do I get on {phone}?|"
                "Who sits in room {room}?|Who do I ring about {_word}?|Who can help me with {_word}?|{deputy} stands in for whom?|"
                    "Who do I talk to about {_word}?"),
            "phone": ("Phone|Telephone|Tel.|Call", "Which number do I ring about {_word}?|What do I dial for {_matter}?|Phone number for {_word}?|"
                "I have a question about {_word}, where do I call?|How can I call {_last}?|{_last}'s number?"),
            "room": ("Room|Door|Office", "Where do I go for {_matter}?|Which door do I knock on about {_word}?|Which room is {_last} in?|"
                "Behind which door is {who}?"),
            "hours": ("Hours|Office hours|Open", "When is {_last} there?|When can I see someone about {_word}?|When are they open for {_matter}?|"
                "What are {who}'s hours?"),
            "deputy": ("Deputy|Stand-in|Substitute", "Who stands in for {_last}?|Who helps with {_matter} when {_last} is ill?|"
                "Who is {who}'s replacement?"),
        },
        lacks="What is the fee for {_matter}?|Which form do I need for {_matter}?|What is {_last}'s mail address?|Can I settle {_matter} online?",
        sentences="{matter}: {who}, phone {phone}.|For anything to do with {matter} please call {who} on {phone}.",
        notes=[("Outside office hours please use the [letter box at the side entrance].", "Where do I leave papers when the office is closed?"),
            ("The office is closed in the week of [{date}].", "In which week is the office closed?")],
    ),
    "stock": dict(
        titles="Stock list|Inventory|Warehouse|What we have", rows=stock, optional="least supplier counted no", parts={"_item": "item"},
        columns={
            "item": ("Item|Part|Material|Article", "What is in {bin}?|What do I find at {bin}?|What is {no}?|What do we buy from {supplier}?|"
                "What does {supplier} send us?"),
            "no": ("Part number|No.|Code", "Which number have the {_item}?|What is the code for {_item}?|What lies in {bin}, which number?"),
            "bin": ("Bin|Location|Shelf|Place", "Where are the {_item}?|Where do I look for {_item}?|Which shelf is {no} on?|"
                "On what shelf do we keep the {_item}?"),
            "have": ("On hand|In stock|Quantity ~pcs|Count ~pcs", "How many {_item} do we have?|How much is left of {no}?|"
                "How many pieces are in {bin}?|Number of {_item} left?"),
            "least": ("Minimum|Reorder at|Reorder level", "When do we reorder {_item}, at how many?|How many {_item} must always be there?|"
                "Below what number must {no} be ordered?"),
            "supplier": ("Supplier|Bought from|Vendor", "Who sells us {_item}?|Where do we order {no}?|Who delivers the {_item}?"),
            "counted": ("Last counted|Counted|Stocktake", "When did somebody last count the {_item}?|When was {bin} last checked?"),
        },
        lacks="What do the {_item} cost us?|How heavy are the {_item}?|Who took {_item} last?",
        sentences="{item} are in {bin}; there are {have} of them.|In {bin} we keep {item}, at present {have}.",
        notes=[("Whoever takes the last piece tells [{person}].", "Whom do I tell when I take the last piece?"),
            ("The next stocktake is on [{date}].", "When do we count again?|When is the next stocktake?")],
    ),
    "exams": dict(
        titles="Results of the examination|Exam results|Marks|Result sheet", rows=exams, optional="no oral examiner written", parts={"_last": "name"},
        columns={
            "name": ("Candidate|Name|Student", "Whose number is {no}?|Who got {total} points in all?|Who is candidate {no}?|[grade=A]Who got an A?|"
                "[grade=F]Who failed?"),
            "no": ("No.|Candidate number|Seat", "What is {_last}'s candidate number?|Under which number did {name} sit?"),
            "written": ("Written|Paper", "How did {_last} do in writing?|How many points did {name} get on paper?|"
                "What did number {no} score in the written part?"),
            "oral": ("Oral|Viva", "How did {_last} do orally?|How many points for {name}'s speaking?|What did {no} get in the interview?"),
            "total": ("Total|Points|Sum", "How many points does {_last} have altogether?|What did {name} score overall?|What is {no}'s final score?"),
            "grade": ("Grade|Mark", "What mark did {_last} get?|How did {name} do in the end, which letter?|What did candidate {no} get?"),
            "examiner": ("Examiner|Examined by", "Who examined {_last}?|Who questioned {name}?"),
        },
        lacks="When did {_last} sit the exam?|Which school is {name} from?|How old is {_last}?|Will {_last} appeal?",
        sentences="{name} reached {total} points, which makes grade {grade}.|Grade {grade} with {total} points: {name}.",
        notes=[("To pass, [50 points] are needed.|The pass mark is [50 points].", "How many points do you need to pass?"),
            ("Papers can be inspected until [{date}].", "Until when can I look at my paper?")],
    ),
    "race": dict(
        titles="{_race}: results|Results|Finishers|{_race}, official times", rows=race, ranked=True, optional="bib club born",
            parts={"_last": "name"},
        columns={
            "place": ("Place|Rank|Pos.|#", "Where did {_last} finish?|How did {name} do, which place?|What place did number {bib} take?|"
                "Which rank has {_last}?"),
            "bib": ("Bib|No.|Start no.", "Which number did {_last} wear?|What was on {name}'s shirt?|What number ran for {club}?"),
            "name": ("Name|Runner|Athlete", "[place=1]Who won?|[place=1]Who was the fastest?|[place=2]Who came second?|[place=3]Who was third?|"
                "[place=2]Who got silver?|[place=3]Who got the bronze medal?|Who ran {time}?|Who wore {bib}?|[place=1]Who came in first?|"
                    "[place=4]Who just missed the podium?|Who ran for {club}?"),
            "club": ("Club|Team", "Who does {_last} run for?|Which club is {name} in?|[place=1]Which club does the winner belong to?|"
                "What team is {bib} from?"),
            "born": ("Born|Year of birth|YoB", "How old is {_last}, born when?|When was {name} born?|[place=1]When was the winner born?"),
            "time": ("Time|Result|Finish", "How long did {_last} take?|How fast was {name}?|What was {_last}'s time?|"
                "[place=1]What was the winning time?|[place=1]How fast was the winner?|[place=2]What time did the runner-up need?"),
        },
        lacks="What prize did {_last} get?|Which shoes did {name} wear?|Who trains {_last}?|Was {_last} tested for doping?|"
            "How many spectators were there?",
        sentences="{place}. {name} in {time}.|In place {place} after {time}: {name}.",
        notes=[("The course was [{n} km] long.", "How long was the course?|How far did they run?"),
            ("Complaints until [{clock}] to the race office.", "Until when can I complain?"), ("[{n} runners] did not finish.", "How many gave up?")],
    ),
    "league": dict(
        titles="Final table|League table|Standings|How the season ended", rows=league, ranked=True, optional="lost ground manager drawn",
            parts={"_short": "club"},
        columns={
            "pos": ("Pos|#|Rank|Place", "Where are {_short} in the table?|Where did {club} finish?|How did {_short} end up, which place?|"
                "Which place has {manager}'s team?"),
            "club": ("Club|Team", "[pos=1]Who are the champions?|[pos=1]Who won the league?|[pos=2]Who came second?|[pos=3]Who finished third?|"
                "Who has {points} points?|Which club does {manager} manage?|Who plays at {ground}?|[pos=1]Who is top?|Whose goals are {goals}?"),
            "won": ("W|Won|Wins", "How often did {_short} win?|How many games has {club} won?|[pos=1]How many wins do the champions have?"),
            "drawn": ("D|Drawn|Draws", "How many draws did {_short} have?|How often did {club} draw?"),
            "lost": ("L|Lost|Defeats", "How often was {_short} beaten?|How many matches did {club} lose?|[pos=1]How often did the champions lose?"),
            "goals": ("Goals|F:A", "What is {_short}'s goal record?|How many goals for and against has {club}?"),
            "points": ("Pts|Points", "How many points has {_short}?|With how many points did {club} finish?|"
                "[pos=1]With how many points was the title won?|[pos=2]How many points do the second have?"),
            "ground": ("Ground|Stadium|Home", "Where do {_short} play at home?|Which stadium does {club} have?"),
            "manager": ("Manager|Coach|Head coach", "Who trains {_short}?|Who coaches {club}?|[pos=1]Who coached the champions?"),
        },
        lacks="Who scored most goals for {_short}?|What colours does {club} wear?|When was {club} founded?|Who is the captain of {_short}?",
        sentences="{pos}. {club}, {points} points, goals {goals}, {won} wins.|"
            "Place {pos} goes to {club} with {points} points after {won} wins and {goals} goals.",
        notes=[("[The last two clubs] go down.|[The bottom three] are relegated.", "Who is relegated?|Who has to go down?"),
            ("The new season begins on [{date}].", "When does the next season start?")],
    ),
    "matches": dict(
        titles="Results|Fixtures and results|Matches so far|Cup, first round", rows=matches, optional="crowd referee kick",
        columns={
            "date": ("Date|Day", "When did {home} play {away}?|When was the match in {home}?|On what day were {away} away?|"
                "When did {referee} whistle?"),
            "home": ("Home|Home side|Hosts", "Against whom did {away} play?|Where was {away} playing?|Who was at home to {away}?|"
                "Who hosted the match on {date}?"),
            "away": ("Away|Visitors|Guests", "Who came to {home}?|Who did {home} play?|Who were {home}'s opponents?|Who travelled on {date}?"),
            "score": ("Score|Result", "How did {home} against {away} end?|How did {home} do against {away}?|What was the result on {date}?|"
                "{home} {away} score"),
            "crowd": ("Attendance|Crowd|Spectators", "How many people watched {home} against {away}?|How many came to see {away}?|"
                "How many were in the ground on {date}?"),
            "referee": ("Referee|Ref.", "Who refereed {home} against {away}?|Who had the whistle on {date}?|Who was in charge when {away} played?"),
            "kick": ("Kick-off|Start", "What time did {home} against {away} start?|When was kick-off in {home} on the day?"),
        },
        lacks="Who scored for {home}?|Was anyone sent off in {home} against {away}?|What was the half-time score of {home} against {away}?",
        sentences="{date}: {home} – {away} {score}.|On {date} {away} were the guests of {home}; it ended {score}.",
        notes=[("The draw for the next round is on [{date}].", "When is the next round drawn?"), ("Tickets cost [{money}].",
            "How much is a ticket?|What did you pay to get in?")],
    ),
}  # fmt: skip
