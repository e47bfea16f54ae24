"""Still more subjects of records.py: daily life, and forms with a single record."""

from datetime import timedelta

from records_bank import CITIES, WEEK
from records_more import BOOKS, DISHES, SERVICES, TALKS

PETS = "Bello|Minka|Rex|Luna|Felix|Nala|Bruno|Coco|Max|Lilly|Simba|Paula|Oskar|Kira|Sammy|Tilly|Balou|Maja|Rocky|Emma|Jacky|Susi"
KIND = dict(trout="fish", pie="fish", noodles="fish", stew="meat", duck="meat", schnitzel="meat", ravioli="vegetarian", dumplings="vegetarian",
    mousse="vegetarian")
PLANTS = (
    "Tomatoes|Carrots|Leeks|Runner beans|Pumpkins|Radishes|Spinach|Kale|Beetroot|Peas|Courgettes|Onions|Parsley|Sunflowers|Marigolds|"
    "Lettuce|Celeriac|Broad beans|Sweet corn|Fennel|Chard|Cucumbers"
)
RIVERS = (
    "Alder Beck|Tolla|Orrin|Sava Water|Lenne|Brook of Mar|Kamp|Ilva|Great Ousel|Dunmere|Rill|Vessa|Corrib Burn|Tarn Water|Esker|Mola|"
    "Nith Brook|Wend|Ruel|Zell"
)
PEAKS = (
    "Grey Tooth|Monk's Head|Eagle Rock|Cold Fell|Ravenspitze|Long Man|Sugarloaf|Widow's Peak|White Horn|The Anvil|Tarn Top|"
    "Broken Ridge|Bell Hill|Crow Crag|Old Baldy|Three Sisters|Saint's Chair|Glass Mountain"
)
ACTIONS = (
    "save the file|open a new tab|find and replace|undo the last step|print|go to a line|comment out the line|split the window|zoom in|"
    "zoom out|switch to full screen|take a screenshot|lock the screen|insert a date|check spelling|close all windows|show hidden files|"
    "rename a file|duplicate the line|jump to the bracket|fold a section|start recording|switch the keyboard"
)
OPTIONS = (
    "--threads;number of workers;4|--timeout;seconds to wait for an answer;30|--retries;attempts before giving up;3|"
    "--output;name of the output file;out.txt|--level;degree of compression;6|--cache;folder for temporary files;/tmp|"
    "--port;port to listen on;8080|--width;columns of the output;80|--seed;start of the random numbers;42|"
    "--encoding;character set of the input;utf-8|--limit;largest number of rows;1000|--colour;use of colours;auto|"
    "--log;target of the messages;stderr|--user;account used for logging in;guest|--depth;levels of folders searched;5|"
    "--buffer;memory per worker in MB;64|--format;layout of the report;table|--delay;pause between requests in ms;250|"
    "--sort;column that decides the order;name|--quality;sharpness of pictures;85"
)


def ports(p, n):
    numbers = p.some([str(k) for k in (21, 22, 25, 53, 80, 110, 143, 389, 443, 993, 1883, 3306, 5432, 5672, 6379, 8000, 8080, 8443, 9000, 9090,
        9200, 11211, 27017)], n)
    return [dict(service=s, port=k, proto=p.pick("TCP|UDP"), net=p.pick("internal|public|VPN only|DMZ|lab"), owner=p.person(),
        rule=f"FW-{p.int(100, 999)}", note=p.pick("TLS|no TLS|rate limited|closes in winter|legacy|IPv6 only|-").replace("closes in winter",
            "read only")) for s, k in zip(p.some(SERVICES, len(numbers)), numbers)]  # fmt: skip


def loans(p, n):
    return [dict(book=b, author=p.person(), reader=p.person(), due=p.day(d), shelf=p.pick("A|B|K|M|R") + str(p.int(1, 90)), fine=p.pick(["none",
        p.amount(1, 9, 0.1)]), taken=p.day(d - timedelta(28))) for b, d in zip(p.some(BOOKS, n), p.series(n, 1, 9))]


def rota(p, n):
    rows = []
    for d, who in zip(p.series(n, 1, 1), p.people(n)):
        rows.append(dict(day=WEEK[d.weekday()][:3] + " " + p.short(d), early=who, late=p.person(),
            night=p.person() if p.rng.random() < 0.8 else "-", call=p.person(), doctor="Dr " + p.pick("Ames|Boyle|Everett|Kemble|Oakes|Tolland|"
                "Upjohn|Farrow")))
    return rows[:12]


def waste(p, n):
    streets = list({p.place() + p.pick(" Road| Street| Lane| Square| Avenue"): 1 for _ in range(n)})
    return [dict(street=s, bin=p.rng.choice(WEEK[:5]), paper=p.short(p.when()), glass=p.short(p.when()), garden=p.short(p.when()),
        bulky=p.short(p.when()), district=p.pick("North|South|East|West|Centre")) for s in streets]


def pets(p, n):
    return [dict(name=x, kind=p.pick("dachshund|tabby cat|poodle|rabbit|Persian cat|terrier|parrot|tortoise|beagle|guinea pig|Labrador|ferret"),
        born=str(p.int(2008, 2024)), owner=(o := p.person()), chip=str(p.int(10**9, 10**10)), jab=p.day(p.when()),
            weight=f"{p.int(1, 40)}.{p.int(0, 9)}", _owner=o.split()[1]) for x in p.some(PETS, n)]  # fmt: skip


def recipe(p, n):
    things = (
        "flour|butter|sugar|milk|yeast|salt|ground almonds|cream|lemon zest|vanilla|cocoa|baking powder|cinnamon|honey|rye flour|"
        "apricot jam|rum|dark chocolate|oatmeal|buttermilk"
    )
    unit = {"salt": " pinches", "vanilla": " pods", "lemon zest": " tsp", "cinnamon": " tsp", "milk": " ml", "cream": " ml", "rum": " ml",
        "buttermilk": " ml", "baking powder": " tsp"}
    rows = []
    for x in p.some(things, n):
        u = unit.get(x, " g")
        a = p.int(2, 4) if u in (" pinches", " pods", " tsp") else p.int(2, 60) * 10
        rows.append(dict(item=x, small=f"{a}{u}", large=f"{a * 3}{u}", used=p.pick("dough|filling|glaze|topping|crumble"),
            swap=p.pick("margarine|oat drink|maple syrup|rice flour|leave it out|brown sugar|apple sauce|water|-"), cost=p.amount(1, 5, 0)))
    return rows


def fleet(p, n):
    plates = [f"{p.pick('KL|MT|BR|XO|GV|HD')} {p.int(100, 999)} {p.pick('AB|CE|RT|VX|ZN|JK')}" for _ in range(n)]
    return [dict(plate=x, model=p.pick("Transit|Sprinter|Kangoo|Berlingo|Golf|Octavia|Corsa|Ducato|Zoe|Yaris|Clio|Crafter|Combo"),
        driver=(d := p.person()), km=f"{p.int(2000, 320000):,}", mot=p.month(p.when(2025, 2028)), fuel=p.pick("diesel|petrol|electric|gas|hybrid"),
            bay=p.pick("P|Q|R") + str(p.int(1, 40)), tyres=p.pick("summer|winter|all-season"), _driver=d.split()[1])
            for x in dict.fromkeys(plates)]  # fmt: skip


def menu(p, n):
    return [dict(no=str(i), dish=x, price=p.amount(4, 35, 0.1), side=p.pick("green salad|fried potatoes|rice|bread|noodles|red cabbage|polenta|"
        "custard|chips"), allergens=p.pick("milk|gluten|nuts|fish|celery|mustard|soya|none"), kind=p.pick(KIND.get(x.split()[-1],
            "vegan|vegetarian")), wine=p.pick("Riesling|Merlot|Rosé|Malbec|Sancerre|Chianti|Rioja"), _dish=x[0].lower() + x[1:])
            for i, x in enumerate(p.some(DISHES, n), p.pick([1, 20, 40]))]  # fmt: skip


def talks(p, n):
    t, rows = 540, []
    for x in p.some(TALKS, n):
        who = p.person()
        rows.append(dict(time=p.clock(t), talk=x, speaker=who, firm=p.firm(), room=p.pick("Main hall|Room 1|Room 2|Attic|Workshop|Cinema"),
            language=p.pick("English|German|French"), level=p.pick("beginners|advanced|everyone"), chair=p.person(), _last=who.split()[1]))
        t += p.int(4, 10) * 5
    return rows


def cover(p, n):
    what = (
        "Burst pipes|Broken windows|Bicycle theft|Lightning|Lost keys|Hail damage|Dental crowns|Glasses|Legal advice|Trip cancellation|"
        "Lost luggage|Towing|Fire|Storm|Burglary|Dog bites|Flooding|Phone screens|Moving house|Hospital, single room"
    )
    return [dict(what=x, basic=p.pick(["not covered", p.money(p.amount(500, 20000, 1))]), plus=p.money(p.amount(20001, 90000, 1)),
        excess=p.amount(50, 900, 1), wait=p.pick("none|3 months|6 months|30 days|1 year"), report=p.pick("48 hours|3 days|1 week|24 hours|14 days"),
            proof=p.pick("police report|invoice|photographs|doctor's note|receipt|two estimates"), _what=x[0].lower() + x[1:])
            for x in p.some(what, n)]  # fmt: skip


def written(p, n):
    subjects = (
        "Mathematics|Chemistry|Latin|History|Geography|Physics|Biology|Music|Economics|Philosophy|French|Statistics|Anatomy|Drawing|Ethics|"
        "Law of contract|Mechanics|Informatics"
    )
    return [dict(subject=x, date=p.day(d), time=p.clock(p.pick([510, 540, 600, 780, 840, 870])), minutes=str(p.int(4, 16) * 15),
        room=p.pick("Aula|Hall 1|Hall 2|Gym|C 101|C 204|Library|Canteen"), aids=p.pick("none|calculator|dictionary|atlas|two pages of notes|"
            "open book|ruler and compass"), watch=p.person()) for x, d in zip(p.some(subjects, n), p.series(n, 1, 4))]  # fmt: skip


def parcels(p, n):
    return [dict(no=f"{p.pick('RX|CP|LB|JD')}{p.int(10**8, 10**9)}", to=(w := p.person()), town=p.pick(CITIES), kg=f"{p.int(0, 29)}.{p.int(1, 9)}",
        state=p.pick("delivered|in transit|at the depot|held by customs|returned|out for delivery|with a neighbour"), since=p.short(p.when()),
            sender=p.firm(), _last=w.split()[1]) for _ in range(min(n, 30))]  # fmt: skip


def shortcuts(p, n):
    keys = p.some([f"{m}+{k}" for m in ("Ctrl", "Alt", "Ctrl+Shift", "Super") for k in "BDEFGHJKLMNPRTUWX"] + ["F2", "F5", "F9", "F11"], n)
    return [dict(keys=k, action=a, mac=m, menu=p.pick("File|Edit|View|Tools|Window|Help")) for k, a, m in zip(keys, p.some(ACTIONS, n),
        p.some([f"Cmd+{x}" for x in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"], n))]


def options(p, n):
    out = []
    for x in p.some(OPTIONS, n):
        a, b, c = x.split(";")
        out.append(dict(option=a, what=b, default=c, env="APP_" + a[2:].upper(), since=f"{p.int(0, 4)}.{p.int(0, 9)}", short="-" + a[2]))
    return out


def sowing(p, n):
    months = "January|February|March|April|May|June|July|August|September|October".split("|")
    return [dict(plant=x, sow=months[k := p.int(0, 6)], harvest=(months + ["November"])[k + p.int(2, 4)], gap=str(p.int(1, 24) * 5),
        deep=str(p.int(1, 8)), light=p.pick("full sun|half shade|shade|under glass"), by=p.pick("basil|garlic|dill|mint|strawberries|nasturtiums|"
            "thyme"), _plant=x.lower()) for x in p.some(PLANTS, n)]


def tides(p, n):
    harbours = list({p.place() + p.pick(" Quay| Bay| Sands| Point|"): 1 for _ in range(n)})
    return [dict(place=x, high=p.clock(a := p.int(0, 700)), low=p.clock(a + 372), metres=f"{p.int(2, 12)}.{p.int(0, 9)}", next=p.clock(a + 745),
        moon=p.pick("new|full|waxing|waning"), warden=p.person()) for x in harbours]


def money(p, n):
    names = (
        "Swiss franc;CHF|pound sterling;GBP|US dollar;USD|Japanese yen;JPY|Swedish krona;SEK|Czech koruna;CZK|Polish złoty;PLN|"
        "Turkish lira;TRY|Indian rupee;INR|Thai baht;THB|Mexican peso;MXN|Canadian dollar;CAD|Danish krone;DKK|South African rand;ZAR|"
        "Brazilian real;BRL|Israeli shekel;ILS"
    )
    rows = []
    for x in p.some(names, n):
        name, code = x.split(";")
        rows.append(dict(currency=name, code=code, buy=f"{(r := p.int(80, 9000) / 100):.4f}", sell=f"{r * 1.06:.4f}",
            change=f"{p.pick('+|-')}{p.int(0, 3)}.{p.int(10, 99)}"))
    return rows


def peaks(p, n):
    return [dict(peak=x, height=f"{p.int(900, 4900):,}", range=p.place() + " Hills", first=str(p.int(1780, 1960)), by=(w := p.person()),
        hut=p.pick("Bear|Stone|Sun|Alpine|Fox|Lake|Pine") + " Hut", hours=str(p.int(2, 14)), grade=p.pick("easy|moderate|hard|very hard"),
            _by=w.split()[1]) for x in p.some(PEAKS, n)]


def rivers(p, n):
    return [dict(river=x, length=str(p.int(20, 900)), source=p.place() + p.pick(" Moor| Spring| Glacier| Lake"), mouth=p.pick("North Sea|Atlantic|"
        "Baltic Sea|Lake ").replace("Lake ", "Lake " + p.place()), city=p.place(), bridges=str(p.int(2, 90)), fish=p.pick("trout|pike|salmon|eel|"
            "perch|carp")) for x in p.some(RIVERS, n)]


def flats(p, n):
    return [dict(flat=f"{i // 3}{'ABC'[i % 3]}", tenant=(w := p.person()), rooms=str(p.int(1, 5)), area=str(p.int(24, 140)), rent=p.amount(300,
        2400, 0.6), meter=p.code(), since=p.month(p.when(2005, 2024)), cellar=str(p.int(1, 60)), _last=w.split()[1]) for i in range(min(n, 30))]


def tracks(p, n):
    songs = (
        "Slow River|Paper Crown|Halfway to Hull|Tin Roof|Marigold|Leave the Light|Winter Coat|Sixteen Stones|Postcard|Copper Wire|"
        "Old Harbour|Dancing Bear|Nobody's Road|Lantern Song|Blue Enamel|Rust|The Ferryman|Ten Past Four"
    )
    return [dict(no=str(i), song=x, length=f"{p.int(2, 7)}:{p.int(0, 59):02}", by=(w := p.person()), singer=p.person(),
        key=p.pick("C major|A minor|G major|D minor|E flat|F sharp minor"), _by=w.split()[1], _album=p.pick("Low Tide|Rooms|Weather Report")) for i,
            x in enumerate(p.some(songs, n), 1)]


def tariffs(p, n):
    names = p.some("Mini|Smart|Family|Flex|Nomad|Student|Senior|Office|Max|Start|Weekend|Green|Basic|Duo|Globe", n)
    return [dict(plan=x, month=p.amount(4, 70, 0.1), data=str(p.int(1, 100)), calls=p.pick("unlimited|100 min|300 min|500 min|9 ct/min"),
        term=p.pick("1 month|12 months|24 months|none at all"), notice=p.pick("4 weeks|1 month|3 months|14 days"),
            abroad=p.pick("EU|EU and UK|worldwide|not included"), once=p.amount(0, 50, 0.2)) for x in names]


def one(f):
    return lambda p, n: [f(p)]


def booking(p):
    d, nights = p.when(), p.int(1, 9)
    return dict(code=p.code(), guest=p.person(), house=p.place() + p.pick(" Lodge| Hotel| Inn| Guest House"), arrive=p.day(d),
        leave=p.day(d + timedelta(nights)), nights=str(nights), room=p.pick("double room|twin room|suite|single room|family room"),
            total=p.amount(90, 1900, 0.3), paid=p.amount(20, 80, 0.6),
                cancel=p.day(d - timedelta(p.int(2, 30))), parking=p.pick("underground, bay 14|in front of the house|none|200 m away"),
                    key=p.pick("key box by the door|reception|bar next door|caretaker, bell 3"), phone=p.phone())  # fmt: skip


def product(p):
    return dict(model=p.code(), maker=p.firm(), kind=p.pick("dehumidifier|chest freezer|air compressor|tumble dryer|table saw|heat pump|"
        "espresso machine"), power=str(p.int(2, 48) * 50), weight=str(p.int(3, 90)),
            size=f"{p.int(20, 90)} x {p.int(20, 80)} x {p.int(30, 190)} cm", noise=str(p.int(28, 88)), tank=str(p.int(1, 30)),
                cable=f"{p.int(1, 5)}.{p.int(0, 9)}", warranty=p.pick("2 years|3 years|24 months|5 years"), use=str(p.int(40, 900)),
                    made=p.pick("Portugal|Turkey|Slovakia|Italy|Vietnam|Poland"), price=p.amount(80, 2400, 0.5))  # fmt: skip


def member(p):
    d = p.when(1950, 2004)
    return dict(no=str(p.int(1000, 99999)), name=p.person(), born=p.day(d), street=p.place() + p.pick(" Road| Street| Lane") + f" {p.int(1, 150)}",
        town=p.pick(CITIES), phone=p.phone(), mail=p.mail(), kind=p.pick("adult|family|student|supporting|honorary"), fee=p.amount(20, 300, 0.6),
            pay=p.pick("direct debit|bank transfer|cash|card"),
                joined=p.day(p.when()), contact=p.person(), sport=p.pick("rowing|fencing|judo|table tennis|athletics|handball|canoeing"))  # fmt: skip


def delivery(p):
    return dict(no=p.code(), order=p.code(), customer=p.firm(), place=p.place() + " Road " + str(p.int(1, 99)), date=p.day(p.when()),
        driver=p.person(), boxes=str(p.int(1, 60)), weight=f"{p.int(12, 900)}", signed=p.person(), gate=p.pick("gate 3|loading bay 2|rear yard|"
            "main entrance"), damage=p.pick("one box dented|none found|two bottles broken|wet packaging"), carrier=p.firm())


def patient(p):
    return dict(name=p.person(), born=p.day(p.when(1935, 2010)), insurer=p.firm(), number=p.code(), blood=p.pick("A positive|0 negative|B positive|"
        "AB negative|0 positive"), allergy=p.pick("penicillin|latex|nuts|bee stings|iodine"), height=str(p.int(150, 199)), weight=str(p.int(48,
            118)), doctor="Dr " + p.pick("Ames|Boyle|Everett|Kemble|Oakes"),
                ward=p.pick("2 East|3 West|Surgery|Paediatrics"), bed=p.pick("12|7|21a|3b|16"), admitted=p.day(p.when()), relative=p.person(),
                    diet=p.pick("low salt|vegetarian|no sugar|liquid food"))  # fmt: skip


def policy(p):
    d = p.when()
    return dict(no=p.code(), holder=p.person(), insurer=p.firm(), kind=p.pick("household contents|motor|travel|liability|pet"), start=p.day(d),
        end=p.day(d + timedelta(365)), premium=p.amount(40, 900, 0.1), pay=p.pick("monthly|yearly|quarterly"), excess=p.amount(50, 500, 1),
            sum=p.amount(5000, 90000, 1), agent=p.person(), claims=p.phone(),
                notice=p.pick("three months|one month|six weeks|30 days"))  # fmt: skip


def job(p):
    return dict(title=p.pick("bookkeeper|lab technician|gardener|nurse|software tester|cook|lorry driver|librarian"), firm=p.firm(),
        town=p.pick(CITIES), pay=p.amount(21, 70, 1) + ",000", hours=str(p.int(20, 40)), start=p.day(p.when()), term=p.pick("permanent|two years|"
            "until the end of the project|one year"), leave=str(p.int(24, 34)),
                apply=p.mail(), until=p.day(p.when()), boss=p.person(), ref=p.code(), home=p.pick("two days a week|not possible|up to 60 %|"
                    "on Fridays"), need=p.pick("driving licence|vocational training|three years' experience|good French|a degree"))  # fmt: skip


SUBJECTS = {
    "ports": dict(titles="Open ports|Firewall|Services and ports", group="net", rows=ports, optional="proto net owner rule note", columns={
        "service": ("Service|Name|Application", "What listens on {port}?|What is behind port {port}?|Which service does {owner} answer for?|"
            "What does {rule} let through?"),
        "port": ("Port|Number", "Where does the {service} listen?|Which port is the {service} on?|What do I open for the {service}?|"
            "Port of the {service}?"),
        "proto": ("Protocol|Proto|Transport", "Is the {service} TCP or UDP?|What does {port} speak, which protocol?"),
        "net": ("Zone|Network|Reachable from", "From where can I reach the {service}?|In which network is port {port} open?"),
        "owner": ("Owner|Contact", "Who owns the {service}?|Whom do I ask about port {port}?|Who asked for {rule}?"),
        "rule": ("Rule|Firewall rule", "Which rule opens {port}?|Which firewall rule is there for the {service}?"),
        "note": ("Note|Remarks", "What should I know about port {port}?|Anything special with the {service}?")},
        lacks="Which version of the {service} is running?|When was port {port} opened?|Which host has the {service}?",
        sentences="The {service} listens on port {port}.|Port {port} belongs to the {service}.",
        notes=[("Changes are requested from [{person}].", "From whom do I request a change?")]),
    "loans": dict(titles="Books on loan|Loans|Library: out at present", rows=loans, optional="author shelf fine taken", columns={
        "book": ("Book|Title", "What has {reader} borrowed?|What did {author} write?|Which book is due on {due}?|Which book belongs on {shelf}?"),
        "author": ("Author|By", "Who wrote {book}?|Whose book is {book}?"),
        "reader": ("Borrower|Reader|Lent to", "Who has {book}?|Who must bring something back by {due}?|Who borrowed {book}?|"
            "Who has got the book by {author}?"),
        "due": ("Due|Return by|Back on", "When does {book} have to be back?|How long may {reader} keep the book?|By when must {reader} return it?|"
            "When can I have {book}, at the latest?"),
        "shelf": ("Shelf|Shelfmark", "Where does {book} stand?|Where do I put back {book}?"),
        "fine": ("Fine ~money|Charge ~money", "What does {reader} have to pay?|How much is owed for {book}?"),
        "taken": ("Lent on|Since", "When was {book} taken out?|Since when has {reader} had it?")},
        lacks="How many pages has {book}?|How often has {book} been lent?|What is {reader}'s phone number?|Who has reserved {book}?",
        sentences="{book} is with {reader} until {due}.|{reader} has borrowed {book} and must return it by {due}.",
        notes=[("You can renew a loan [twice].", "How often can I renew?"), ("Lost books cost [{money}] each.",
            "What do I pay when I lose a book?")]),
    "rota": dict(titles="Duty rota|Who works when|Shifts|On duty", rows=rota, optional="night call doctor", columns={
        "day": ("Day|Date", "When is {early} on early?|On which day does {late} work the late shift?|When does {night} work at night?|"
            "When is {call} on call?"),
        "early": ("Early|Morning|6–14 h", "Who has the morning shift on {day}?|Who works early on {day}?|Who begins the day on {day}?"),
        "late": ("Late|Afternoon|14–22 h", "Who is there in the afternoon of {day}?|Who works late on {day}?|Who has the evening on {day}?"),
        "night": ("Night|22–6 h", "Who is there at night on {day}?|Who stays up on {day}?"),
        "call": ("On call|Stand-by", "Who do I call in if someone is ill on {day}?|Who is on stand-by on {day}?"),
        "doctor": ("Doctor|Physician", "Which doctor is there on {day}?|Who is the doctor on {day}?")},
        lacks="Who is on holiday on {day}?|Who cleans on {day}?|Who has the key on {day}?|How many patients are there on {day}?",
        sentences="{day}: early {early}, late {late}.|On {day} {early} takes the early and {late} the late shift.",
        notes=[("Swaps must be reported to [{person}].", "Whom do I tell when I swap shifts?"), ("The next rota is out on [{date}].",
            "When do we get the next rota?")]),
    "waste": dict(titles="Waste collection|Bin days|Collection calendar", group="bin", rows=waste, optional="glass garden bulky district", columns={
        "street": ("Street|Road", "Where is paper collected on {paper}?|In which street does glass go on {glass}?|"
            "Where do they fetch bulky things on {bulky}?"),
        "bin": ("Household|Grey bin|Refuse", "When do I put out the bin in {street}?|On which day is rubbish collected in {street}?|"
            "{street}: which day do they empty the bins?"),
        "paper": ("Paper|Blue bin|Cardboard", "When do they take old newspapers in {street}?|When is paper fetched in {street}?|"
            "When can I get rid of cardboard in {street}?"),
        "glass": ("Glass|Bottles", "When are bottles collected in {street}?|When do they come for glass in {street}?"),
        "garden": ("Garden waste|Green bin", "When do they take hedge cuttings in {street}?|When can I put out leaves in {street}?"),
        "bulky": ("Bulky waste|Large items", "When can I put the old sofa out in {street}?|When do they fetch furniture in {street}?"),
        "district": ("District|Area", "Which part of town is {street} in?|What district does {street} belong to?")},
        lacks="When are old clothes collected in {street}?|What does the bin in {street} cost?|When are batteries collected in {street}?",
        sentences="In {street} bins are emptied every {bin}; paper goes on {paper}.|{street}: rubbish {bin}, paper {paper}.",
        notes=[("Bins must stand at the kerb by [{clock}].", "By when must the bin be outside?"), ("Missed? Call [{phone}].",
            "What do I call when they forgot my bin?")]),
    "pets": dict(titles="Patients of the surgery|Vaccination list|Our animals", group="kind", rows=pets, optional="chip born jab weight",
        parts={"_owner": "owner"}, columns={
        "name": ("Name|Animal|Pet", "What is {owner}'s pet called?|Which animal has chip {chip}?|Who weighs {weight}?|"
            "What is the name of the {kind}?"),
        "kind": ("Kind|Breed|Species", "What sort of animal is {name}?|What has {_owner} got?|What is {name}?"),
        "born": ("Born|Year", "How old is {name}, born when?|When was {name} born?"),
        "owner": ("Owner|Belongs to|Keeper", "Whose is {name}?|Who owns the {kind}?|Who brings {name}?|Whom do we phone about {name}?"),
        "chip": ("Chip|Chip no.", "What number is in {name}'s chip?|Which chip has {_owner}'s animal?"),
        "jab": ("Next vaccination|Vaccination due|Jab due", "When does {name} get the next jab?|When must {_owner} come for the vaccination?|"
            "When is {name} vaccinated?"),
        "weight": ("Weight ~kg", "How heavy is {name}?|What does {name} weigh?|How many kilos has {_owner}'s animal?")},
        lacks="What does {name} eat?|Is {name} neutered?|Where does {_owner} live?|What colour is {name}?",
        sentences="{name}, a {kind}, belongs to {owner}.|{owner} brings {name} ({kind}).",
        notes=[("Emergencies at night: [{phone}]", "What number is there for emergencies at night?")]),
    "recipe": dict(titles="Ingredients|What you need|Shopping list for the cake", rows=recipe, optional="used swap cost", columns={
        "item": ("Ingredient|What", "Which ingredient is it that I need {small} of for the small cake?|Of which ingredient do I take {large}?"),
        "small": ("Small (4 people)|Small tin, for 4|4 people (small tin)", "How much {item} for a small one?|"
            "How much {item} goes into the little tin?|{item}, how much for four people?"),
        "large": ("Large (12 people)|Large tin, for 12|12 people (large tin)", "How much {item} for the big one?|"
            "How much {item} if twelve people come?|How much {item} goes into the large tin?"),
        "used": ("Used in|Part|For", "Where does the {item} go?|What part of the cake is the {item} for?"),
        "swap": ("Instead|Substitute|Or", "What can I take in place of {item}?|I have no {item}, what now?"),
        "cost": ("Cost ~money|Price ~money", "What does the {item} cost?|How much do I spend on {item}?")},
        lacks="Which brand of {item} is best?|How many calories has the {item}?|Where do I buy the {item}?|How long does the {item} keep?",
        sentences="{item}: {small} for the small tin, {large} for the large one.|"
            "Take {small} of {item} for the small tin or {large} for the large one.",
        notes=[("Bake for [{n} minutes] at 180 °C.", "How long must it be in the oven?"), ("Let the dough rest for [an hour].",
            "How long does the dough rest?")]),
    "fleet": dict(titles="Vehicles|Fleet|Our cars", group="fuel", rows=fleet, optional="km mot fuel bay tyres", parts={"_driver": "driver"}, columns={
        "plate": ("Plate|Registration|Number plate", "Which car does {_driver} drive?|What stands in {bay}?|What is the number of {driver}'s car?|"
            "Which car has done {km}?"),
        "model": ("Model|Vehicle|Type", "What kind of car is {plate}?|What does {_driver} drive?|What make or model has {plate}?"),
        "driver": ("Driver|Assigned to|Used by", "Who drives {plate}?|Whose car is {plate}?|Who parks in {bay}?|Who has the {model}?"),
        "km": ("Mileage ~km|Odometer ~km", "How far has {plate} gone?|What is on the clock of {plate}?|"
            "How many kilometres has {_driver}'s car done?"),
        "mot": ("Inspection|MOT due|Next test", "When must {plate} be inspected?|When does {_driver} have to take the car for its test?"),
        "fuel": ("Fuel|Drive|Runs on", "What do I fill {plate} up with?|What does {_driver}'s car run on?"),
        "bay": ("Bay|Parking space", "Where is {plate} parked?|Where does {_driver} leave the car?"),
        "tyres": ("Tyres|Wheels", "What tyres are on {plate}?|Is {plate} ready for snow, which tyres?")},
        lacks="What colour is {plate}?|What did {plate} cost?|Was {plate} in an accident?|How many seats has {plate}?",
        sentences="{driver} drives the {model} with the plate {plate}.|{plate} is a {model}, driven by {driver}.",
        notes=[("Keys are in [the safe in room 12].", "Where are the car keys?"), ("Report damage to [{person}].",
            "Whom do I tell about a scratch?")]),
    "menu": dict(titles="Menu|Lunch|Dishes|Today's card", group="kind", rows=menu, optional="side allergens kind wine", parts={"_dish": "dish"}, columns={
        "dish": ("Dish|Meal|What", "What is number {no}?|What do I get for {price}?|What comes with {wine}?|[kind=vegan]What can a vegan eat?|"
            "[kind=fish]Which dish has fish?|[kind=meat]Where is there meat?"),
        "price": ("Price ~money|Costs ~money", "How much is the {_dish}?|What does the {_dish} cost?|How much do I pay for number {no}?"),
        "side": ("With|Side|Served with", "What comes with the {_dish}?|What is on the plate beside the {_dish}?|What do you serve with {no}?"),
        "allergens": ("Allergens|Contains", "What is in the {_dish} that I may not tolerate?|Which allergens are in the {_dish}?"),
        "kind": ("Kind|Diet", "Is the {_dish} vegetarian or what?|What kind of food is number {no}?"),
        "wine": ("Wine|We recommend", "What do I drink with the {_dish}?|Which wine goes with {no}?"),
        "no": ("No.|#", "Under which number is the {_dish}?|What number do I say to order the {_dish}?")},
        lacks="How many calories has the {_dish}?|How large is the portion of {_dish}?|How long does the {_dish} take?|"
            "Is there a child's portion of {_dish}?",
        sentences="{no}. {dish}, {price}.|Number {no} is {dish} at {price}.",
        notes=[("Kitchen open until [{clock}].", "Until when can I order food?"), ("We are closed on [{weekday}s].",
            "When is the restaurant closed?"), ("To reserve call [{phone}].", "How do I book a table?")]),
    "talks": dict(titles="Conference programme|Schedule|Talks|Day one", rows=talks, ranked=True, optional="firm room language level chair",
        parts={"_last": "speaker"}, columns={
        "time": ("Time|Start|At", "When is {_last} on?|When does {talk} begin?|At what time does {speaker} speak?"),
        "talk": ("Talk|Title|Session", "What is {_last} talking about?|What is on at {time}?|Which talk does {chair} chair?|"
            "What does the person from {firm} present?"),
        "speaker": ("Speaker|By|Who", "Who is on at {time}?|Who gives {talk}?|Who comes from {firm}?|Whom does {chair} introduce?"),
        "firm": ("From|Affiliation|Company", "Who does {_last} work for?|What company is {speaker} with?"),
        "room": ("Room|Where", "Where is {_last}'s talk?|Where do I go for {talk}?|Which room at {time}?"),
        "language": ("Language|In", "In what language is {talk}?|What does {_last} speak?"),
        "level": ("Level|For|Audience", "Who is {talk} meant for?|For whom is {_last}'s talk?"),
        "chair": ("Chair|Host", "Who chairs {talk}?|Who introduces {_last}?")},
        lacks="Will {talk} be recorded?|How long is {_last}'s talk?|Where are the slides of {talk}?|How many people come to {talk}?",
        sentences="At {time} {speaker} speaks about \u201c{talk}\u201d.|{time}: {talk} ({speaker}).",
        notes=[("Lunch is at [{clock}].", "When do we eat?"), ("Badges are handed out at [the north entrance].", "Where do I get my badge?"),
            ("Wi-Fi password: [{code}]", "How do I get onto the Wi-Fi, what's the password?")]),
    "cover": dict(titles="What is insured?|Benefits|Cover at a glance", rows=cover, optional="wait report proof excess", parts={"_what": "what"},
        columns={
        "what": ("Benefit|Event|Risk|Damage", "What is covered up to {plus} in the better plan?"),
        "basic": ("Basic|Standard|Plan S", "How much do they pay for {_what} with the small plan?|Is {_what} insured in the cheap plan?|"
            "I have the lower plan, what about {_what}?"),
        "plus": ("Plus|Premium|Plan L", "How much do they pay at most for {_what} with the better plan?|"
            "What do I get for {_what} with the big plan?|I have the more expensive plan, what about {_what}?"),
        "excess": ("Excess ~money|Deductible ~money", "How much of {_what} do I bear myself?|What is my own share with {_what}?"),
        "wait": ("Waiting period|Wait", "How long before I'm covered for {_what}?|From when on does {_what} count?"),
        "report": ("Report within|Notify within", "How quickly must I report {_what}?|How long do I have to tell them about {_what}?"),
        "proof": ("Proof|Documents|Required", "What must I send in for {_what}?|Which papers are needed for {_what}?|"
            "What do they want to see for {_what}?")},
        lacks="How many people claimed for {_what}?|Who checks claims about {_what}?|What does the insurance for {_what} cost?",
        notes=[("Claims: [{phone}]", "Where do I call about a claim?"), ("The contract runs for [{n} months].", "How long does the contract run?")]),
    "written": dict(titles="Examination timetable|Written exams|Exam dates", group="room", rows=written, optional="minutes aids watch room", columns={
        "subject": ("Subject|Paper|Exam", "What do we write on {date}?|Which exam does {watch} watch over?|Which exam lasts {minutes}?|"
            "Which exam is in {room}?"),
        "date": ("Date|Day|When", "When do we write {subject}?|When is the {subject} exam?|Until when can I revise {subject}, what day is it?"),
        "time": ("Time|Starts|Begin", "What time does {subject} begin?|At what hour must I be there for {subject}?|When in the day is {subject}?"),
        "minutes": ("Duration ~min|Length ~minutes", "How long do I have for {subject}?|How many minutes is {subject}?|"
            "How long must I sit there on {date}?"),
        "room": ("Room|Where|Place", "Where is {subject} written?|Where do I have to go on {date}?|{subject} room?"),
        "aids": ("Allowed|Aids|Permitted", "What may I bring to {subject}?|What can I use in {subject}?|May I have anything with me in {subject}?"),
        "watch": ("Invigilator|Supervision", "Who watches us in {subject}?|Who hands out the papers for {subject}?")},
        lacks="How many people sit {subject}?|When do we get the marks for {subject}?|Who marks {subject}?|What topics come up in {subject}?",
        sentences="{subject} is written on {date} at {time}.|On {date} at {time}: {subject}.",
        notes=[("Whoever is ill must hand in [a doctor's note].", "What do I need when I am ill?"), ("Resits are on [{date}].",
            "When can I try again?|When are the resits?")]),
    "parcels": dict(titles="Shipments|Parcels|Tracking", group="state", rows=parcels, optional="kg since sender town", parts={"_last": "to"}, columns={
        "no": ("Tracking no.|Parcel|Number", "Which number has {_last}'s parcel?|Under what number can I follow the parcel to {to}?|"
            "[state=held by customs]Which parcel is stuck at customs?|[state=returned]Which parcel came back?|What came from {sender}?"),
        "to": ("Recipient|To|For", "Who gets {no}?|Whose parcel is {no}?|To whom did {sender} send something?|"
            "[state=with a neighbour]Whose parcel is next door?|[state=held by customs]Whose parcel is at customs?"),
        "town": ("Town|Destination|City", "Where does {no} go?|Where does {_last} live?|What town is {_last}'s parcel for?"),
        "kg": ("Weight ~kg", "How heavy is {no}?|How heavy is {_last}'s parcel?"),
        "state": ("Status|State|Where now", "Where is {no} now?|Has {_last}'s parcel arrived?|What has happened to {no}?|"
            "How are things with {to}'s parcel?"),
        "since": ("Since|Last scan", "When was {no} last seen?|Since when has {_last}'s parcel been there?"),
        "sender": ("Sender|From", "Who sent {no}?|Whom is {_last}'s parcel from?")},
        lacks="What is in {no}?|What did it cost to send {no}?|Who drove {no}?|Is {no} insured?",
        sentences="Parcel {no} for {to} in {town}: {state}.|{to} ({town}): parcel {no}, {state}.",
        notes=[("Parcels are kept for [{n} days].", "How long do you keep a parcel?")]),
    "shortcuts": dict(titles="Keyboard shortcuts|Keys|Shortcuts at a glance", rows=shortcuts, optional="mac menu", columns={
        "keys": ("Shortcut|Keys|Windows/Linux|Press", "How do I {action} with the keyboard?|What do I press to {action}?|Which keys {action}?"),
        "action": ("Function|Action|What it does", "What does {keys} do?|What happens when I press {keys}?|What is {mac} for?|{keys}?"),
        "mac": ("Mac|macOS", "How do I {action} on an Apple?|What are the keys to {action} on a Mac?|What is {keys} on a Mac?"),
        "menu": ("Menu|Found under", "In which menu can I {action}?|Where is {keys} in the menus?")},
        lacks="Can I change {keys}?|Since which version is there {keys}?|How do I {action} on a phone?",
        sentences="{keys}: {action}.|Press {keys} to {action}.",
        notes=[("Shortcuts can be changed in [Settings > Keyboard].", "Where can I change shortcuts?")]),
    "options": dict(titles="Options|Command line|Parameters", rows=options, optional="env since", columns={
        "option": ("Option|Flag|Parameter", "How do I set this: {what}?|Which option is for this: {what}?|Which flag goes with {env}?|"
            "Which flag do I use to change the {what}?"),
        "what": ("Meaning|Description|Sets", "What does {option} do?|What is {option} good for?|What do I change with {env}?|"
            "What is the purpose of {option}?"),
        "default": ("Default|If not given|Preset", "What if I leave out {option}?|What is {option} if I don't say anything?|"
            "What value does {option} have normally?|What's the preset for this: {what}?"),
        "env": ("Variable|Environment", "Which variable does the same as {option}?|How do I set {option} from the environment?"),
        "since": ("Since|Added in", "When did {option} come in, which version?|Since which version can I use {option}?")},
        lacks="What is the largest value of {option}?|Can I give {option} twice?|Is {option} deprecated?",
        sentences="{option}: {what} (default {default}).|With {option} you set the {what}; without it {default} is used.",
        notes=[("Options are also read from [~/.toolrc].", "From which file are options read?")]),
    "sowing": dict(titles="Sowing calendar|Kitchen garden|What to sow when", group="sow", rows=sowing, optional="gap deep light by", parts={"_plant": "plant"},
        columns={
        "plant": ("Plant|Vegetable|What", "What gets along with {by}?|What needs {gap} between plants?"),
        "sow": ("Sow|Sowing|Sow in", "When do I sow {_plant}?|When must the seeds of {_plant} go into the ground?|"
            "In what month do I start {_plant}?"),
        "harvest": ("Harvest|Ready|Pick", "When can I eat my {_plant}?|When are {_plant} ripe?|When do I pick {_plant}?"),
        "gap": ("Spacing ~cm|Distance ~cm", "How far apart do {_plant} stand?|How much room between {_plant}?"),
        "deep": ("Depth ~cm|Sowing depth ~cm", "How deep do I put {_plant}?|How far into the soil go {_plant}?"),
        "light": ("Place|Light|Position", "Where do {_plant} like it?|How much sun do {_plant} want?"),
        "by": ("Good neighbour|Next to", "What can I plant beside {_plant}?|What goes well with {_plant}?")},
        lacks="How often do I water {_plant}?|What do seeds of {_plant} cost?|Which pests go for {_plant}?|Which variety of {_plant} is best?",
        sentences="{plant}: sow in {sow}, harvest in {harvest}.|Sow {plant} in {sow} and you can pick in {harvest}.",
        notes=[("The last frost is usually in [mid-May].", "When is the last frost?")]),
    "tides": dict(titles="Tide table|High and low water|Tides today", rows=tides, optional="metres next moon warden", columns={
        "place": ("Harbour|Place|Station", "Where is high water at {high}?|Where does {warden} work?"),
        "high": ("High water|HW|High", "When is the water highest at {place}?|When does the flood peak in {place}?|"
            "What time is high tide in {place}?"),
        "low": ("Low water|LW|Low", "When can I walk on the flats at {place}?|When is ebb lowest in {place}?|What time is low tide at {place}?"),
        "metres": ("Height ~m|Rise ~m", "How high does the water come in {place}?|How many metres does it rise at {place}?"),
        "next": ("Next HW|Second HW", "When is the second high tide in {place}?|When is it high again at {place}?"),
        "warden": ("Harbour master|Contact", "Who is in charge at {place}?|Who runs the harbour of {place}?")},
        lacks="How warm is the water at {place}?|How many boats lie in {place}?|What does a berth in {place} cost?",
        sentences="{place}: high water at {high}, low water at {low}.|In {place} the tide is highest at {high} and lowest at {low}.",
        notes=[("Add [one hour] in summer.", "What do I add in summer?")]),
    "currencies": dict(titles="Exchange rates|Rates for one euro|Foreign money", rows=money, fixed=True, optional="sell change code", columns={
        "currency": ("Currency|Money|Name", "What does {code} stand for?|What stands at {buy}?|Which currency moved by {change}?"),
        "code": ("Code|ISO|Symbol", "How is the {currency} abbreviated?|What's the code of the {currency}?"),
        "buy": ("We buy|Buying|Bid", "At what rate do you take the {currency}?|At what rate does the bank buy {code}?|"
            "I want to get rid of {code}, what is the rate?"),
        "sell": ("We sell|Selling|Ask", "At what rate can I get the {currency} from you?|At what rate does the bank sell {code}?"),
        "change": ("Change ~%|Since yesterday ~%", "How has the {currency} moved?|By how much did {code} change?")},
        lacks="What commission is there on the {currency}?|What was the {currency} a year ago?|In which notes do I get the {currency}?",
        notes=[("The fee is [{money}] per transaction.", "What is the fee?|What does changing money cost?")]),
    "peaks": dict(titles="Mountains|Peaks of the region|Summits", group="grade", rows=peaks, optional="range first by hut hours grade", parts={"_by": "by"},
        columns={
        "peak": ("Peak|Mountain|Summit", "Which mountain did {by} climb first?|Which one is {height} high?|What was first climbed in {first}?|"
            "Which mountain is in the {range}?"),
        "height": ("Height ~m|Altitude ~m", "How high is {peak}?|How many metres is {peak}?|How tall is the mountain that {_by} climbed?"),
        "range": ("Range|Part of", "Where is {peak}?|Which range does {peak} belong to?"),
        "first": ("First ascent|Climbed", "When was {peak} first climbed?|When did {_by} get to the top?|Since when has somebody stood on {peak}?"),
        "by": ("First climber|By|Pioneer", "Who was first on {peak}?|Who was the first to climb {peak}?|Who reached a top in {first}?"),
        "hut": ("Hut|Start from", "Where do I sleep on the way to {peak}?|Where does the route up {peak} start?"),
        "hours": ("Ascent ~h|Time up ~hours", "How long does it take up {peak}?|How long is the climb to {peak}?"),
        "grade": ("Difficulty|Grade", "How hard is {peak}?|How difficult is the climb of {peak}?")},
        lacks="Is there snow on {peak}?|Is there a cable car up {peak}?|How many people climb {peak} a year?",
        sentences="{peak} ({height}) was first climbed by {by} in {first}.|In {first} {by} was the first on {peak}, height {height}.",
        notes=[("Mountain rescue: [{phone}]", "What is the number of the rescue service?")]),
    "rivers": dict(titles="Rivers|Rivers of the country|Waters", rows=rivers, optional="source mouth city bridges fish", columns={
        "river": ("River|Water|Name", "What rises at {source}?|Which river flows through {city}?|Which river is {length} long?|"
            "Which one has {bridges} bridges?"),
        "length": ("Length ~km|Long ~km", "How long is the {river}?|How many kilometres is the {river}?|How far does the {river} run?"),
        "source": ("Source|Rises", "Where does the {river} begin?|Where does the {river} come from?"),
        "mouth": ("Mouth|Flows into", "Where does the {river} end?|What does the {river} flow into?|Where does the water of the {river} go?"),
        "city": ("Town|Passes", "What town is on the {river}?|Which place does the {river} pass?"),
        "bridges": ("Bridges|No. of bridges", "How often can you cross the {river}?|How many bridges go over the {river}?"),
        "fish": ("Fish|Known for", "What can I catch in the {river}?|What fish live in the {river}?")},
        lacks="How deep is the {river}?|Can you swim in the {river}?|How many ships use the {river}?|When did the {river} last flood?",
        sentences="The {river}, {length} long, rises at {source} and ends in the {mouth}.|From {source} the {river} runs {length} to the {mouth}."),
    "flats": dict(titles="Tenants|The house|Who lives where?", rows=flats, optional="rooms area meter since cellar", parts={"_last": "tenant"},
        columns={
        "flat": ("Flat|Apartment|No.", "Where does {_last} live?|Which flat is {tenant}'s?|Which flat costs {rent}?|Which flat has meter {meter}?"),
        "tenant": ("Tenant|Name|Resident", "Who lives in {flat}?|Whose is meter {meter}?|Who pays {rent}?|Who uses cellar {cellar}?"),
        "rooms": ("Rooms|No. of rooms", "How many rooms has {_last}?|How many rooms are there in {flat}?"),
        "area": ("Area ~m²|Size ~m²", "How big is {flat}?|How much space does {_last} have?"),
        "rent": ("Rent ~money|Monthly ~money|Cold rent ~money", "What does {_last} pay?|How much is {flat}?|What does {flat} cost a month?"),
        "meter": ("Meter|Electricity meter", "What's the number of {_last}'s meter?|Which meter belongs to {flat}?"),
        "since": ("Since|Moved in", "When did {_last} move in?|How long has {tenant} lived here, since when?"),
        "cellar": ("Cellar|Storage", "Which cellar has {_last}?|Which storage space goes with {flat}?")},
        lacks="Has {_last} got a dog?|When does {_last} move out?|Is there a balcony in {flat}?|What is {_last}'s phone number?",
        sentences="{tenant} lives in {flat} and pays {rent}.|Flat {flat}: {tenant}, {rent}.",
        notes=[("Caretaker: [{person}]", "Who is the caretaker?"), ("Rent is due on the [third of the month].", "When is the rent due?")]),
    "tracks": dict(titles="{_album}: tracks|Track list|Songs on the record", rows=tracks, ranked=True, optional="by singer key",
        parts={"_by": "by"}, columns={
        "no": ("No.|Track|#", "Where on the record is {song}?|Which track is {song}?"),
        "song": ("Title|Song", "What is track {no}?|Which song did {by} write?|[no=1]What does the record begin with?|Which song lasts {length}?|"
            "What does {singer} sing?"),
        "length": ("Length|Time|min", "How long is {song}?|How long does track {no} last?|How long is the song by {_by}?"),
        "by": ("Written by|Music|Composer", "Who wrote {song}?|Who composed track {no}?|[no=1]Who wrote the first song?"),
        "singer": ("Vocals|Sung by", "Who sings {song}?|Whose voice is on track {no}?"),
        "key": ("Key|Tonality", "What key is {song} in?|In which key do I play track {no}?")},
        lacks="Who plays the drums on {song}?|When was {song} recorded?|Was {song} a single?|What did critics say about {song}?",
        sentences="Track {no} is {song} ({length}), written by {by}.|{no}. {song}, {length}, by {by}.",
        notes=[("Recorded in [{place}].", "Where was the record made?"), ("Produced by [{person}].", "Who produced it?")]),
    "tariffs": dict(titles="Mobile plans|Tariffs|Which plan suits you?", rows=tariffs, optional="calls term notice abroad once", columns={
        "plan": ("Plan|Tariff|Name", "Which plan costs {month}?|Which one has {data}?|[abroad=worldwide]Which plan works all over the world?|"
            "[term=none at all]Which plan has no minimum term?|[calls=unlimited]With which plan can I phone as much as I like?"),
        "month": ("Per month ~money|Monthly ~money|Fee ~money", "How much is {plan}?|What do I pay every month for {plan}?|"
            "What does the {plan} plan cost?"),
        "data": ("Data ~GB|Volume ~GB", "How much internet do I get with {plan}?|How many gigabytes has {plan}?|How far can I surf with {plan}?"),
        "calls": ("Calls|Minutes|Voice", "How much can I phone with {plan}?|What about calls in {plan}?"),
        "term": ("Minimum term|Contract|Term", "How long am I tied to {plan}?|How long does the contract for {plan} run?"),
        "notice": ("Notice|To cancel", "How early do I cancel {plan}?|What notice do I give for {plan}?"),
        "abroad": ("Roaming|Abroad", "Where can I use {plan} on holiday?|Does {plan} work abroad?"),
        "once": ("Set-up ~money|One-off ~money", "What do I pay once for {plan}?|What does it cost to start with {plan}?")},
        lacks="Which network does {plan} use?|Is there a phone with {plan}?|How fast is {plan}?|Can I keep my number with {plan}?",
        sentences="{plan} costs {month} a month with {data}.|With {plan} you get {data} for {month}.",
        notes=[("Customers under [{n}] get 10 % off.", "Up to what age is there a discount?"), ("Order by phone: [{phone}]",
            "Which number do I call to order?")]),
    "booking": dict(titles="Booking confirmation|Your reservation|Confirmation", rows=one(booking), single=True, fixed=True,
        optional="parking key phone cancel paid", columns={
        "code": ("Booking no.|Reference|Reservation", "What's my booking number?|What do I quote when I call them?"),
            "guest": ("Guest|Name|Booked for", "Who is the room for?|Whose booking is this?|Who's travelling?"),
        "house": ("Hotel|House|Accommodation", "Where am I staying?|What is the place called?"), "arrive": ("Arrival|Check-in|From",
            "When do I get there?|What day does the stay begin?|When can I move in?"),
        "leave": ("Departure|Check-out|To", "When do I have to go?|When does the stay end?|Which day do we travel home?"),
            "nights": ("Nights|Length of stay", "How long am I staying, how many nights?|How many times do I sleep there?"),
        "room": ("Room|Category|Booked", "What kind of room have I got?|What sort of room is it?"), "total": ("Total ~money|Price ~money|"
            "Amount ~money", "How much is the whole stay?|What does it cost in all?"),
        "paid": ("Deposit ~money|Already paid ~money", "What have I paid so far?|How much was the deposit?"), "cancel": ("Free cancellation until|"
            "Cancel by", "Until when can I call it off for free?|By when must I cancel?"),
        "parking": ("Parking|Car", "Where do I leave the car?|Can I park there?"), "key": ("Key|Key handover", "Where do I pick up the key?|"
            "How do I get in?"), "phone": ("Phone|Tel.", "How do I call the hotel?|What number do I ring if I'm late?")},
        lacks="When is breakfast?|What's the Wi-Fi password?|Can I bring my dog?|Is there a lift?|How far is the beach?"),
    "product": dict(titles="Technical data|Data sheet|Specifications", rows=one(product), single=True, fixed=True,
        optional="tank cable noise use made price", columns={
        "model": ("Model|Type", "Which model is this?|What's the type designation?"), "maker": ("Manufacturer|Maker",
            "Who built it?|Which company is it from?"), "kind": ("Device|Product", "What kind of machine is it?|What is this data sheet about?"),
        "power": ("Rated power ~W|Power ~W", "How many watts?|How strong is it?|How much electricity does it draw at once?"),
            "weight": ("Weight ~kg|Net weight ~kg", "How heavy is it?|Can one person lift it, what does it weigh?"),
                "size": ("Dimensions|W x D x H", "How big is it?|Does it fit under my table, what does it measure?"),
        "noise": ("Noise level ~dB(A)|Sound ~dB", "How loud is it?|Does it make a lot of noise, how many decibels?"),
            "tank": ("Tank ~l|Capacity ~l", "How much goes in?|How many litres does it hold?"), "cable": ("Cord length ~m|Cable ~m",
                "How long is the cable?|How far from the socket can it stand?"),
        "warranty": ("Warranty|Guarantee", "How long is it guaranteed?|How long do they fix it for free?"), "use": ("Annual consumption ~kWh|"
            "Energy per year ~kWh", "How much power does it use in a year?|What does it consume per year?"), "made": ("Country of origin|Made in",
                "Where does it come from?|In which country is it built?"),
        "price": ("RRP ~money|Price ~money", "What does it cost?|How much is it in the shop?")},
        lacks="Can I use it outdoors?|What colour is it?|Is there an app for it?|How hot may the room be?|Which filter does it need?"),
    "member": dict(titles="Membership form|Member record|Application for membership", rows=one(member), single=True, fixed=True,
        optional="phone mail contact pay sport", columns={
        "no": ("Member no.|Membership no.", "What's the number on the card?|Under which number are they registered?"),
            "name": ("Name|Full name|Member", "Who is joining?|Whose record is this?"), "born": ("Date of birth|Born on",
                "When is the birthday?|How old is the member, born when?"),
        "street": ("Street|Address", "In which street do they live?|Where do I send a letter, which street?"), "town": ("Town|City",
            "What town do they live in?|Which city is the member from?"), "phone": ("Phone|Tel.",
                "How can I call them?|Phone number of the member?"), "mail": ("E-mail|Mail", "Where can I write an e-mail?|"
                    "Which mail address did they give?"),
        "kind": ("Type of membership|Category", "What sort of member are they?|Is it a family membership or what?"),
            "fee": ("Annual fee ~money|Fee ~money", "How much do they pay a year?|What does membership cost?"), "pay": ("Payment|Paid by",
                "How is the fee paid?|Do they pay in cash or how?"), "joined": ("Joined|Member since",
                    "When did they join?|Since when are they in the club?"),
        "contact": ("Emergency contact|In an emergency", "Who do we call if something happens?|Who should be told in case of an accident?"),
            "sport": ("Section|Sport", "What do they do in the club?|Which sport is it?")},
        lacks="Who recommended them?|What job do they have?|When does the membership end?|Do they hold an office in the club?|"
            "Which shirt size do they take?"),
    "delivery": dict(titles="Delivery note|Goods received|Consignment note", rows=one(delivery), single=True, fixed=True,
        optional="gate damage carrier weight", columns={
        "no": ("Delivery note no.|Note no.", "What is the number of this note?"), "order": ("Order no.|Your order",
            "Which order is it for?|What was the number of the order?"), "customer": ("Customer|Consignee|Deliver to",
                "Who gets the goods?|Which firm ordered this?"), "place": ("Address|Place of delivery", "Where did it go, what address?|"
                    "Where were the goods taken?"),
        "date": ("Date|Delivered on", "When did the goods come?|What day was the delivery?"), "driver": ("Driver|Delivered by",
            "Who brought it?|Who was at the wheel?"), "boxes": ("Packages|Cartons", "How many boxes were there?|How many pieces came?"),
                "weight": ("Gross weight ~kg|Weight ~kg", "How heavy was it all?|What did the load weigh?"),
        "signed": ("Received by|Signature", "Who signed for it?|Who took the goods?"), "gate": ("Unloading point|Unload at",
            "Where was it unloaded?|Where does the lorry go?"), "damage": ("Damage|Condition", "Was something broken?|"
                "What was wrong with the goods?"), "carrier": ("Carrier|Forwarder", "Which haulier was it?|Which company transported it?")},
        lacks="What did the goods cost?|When will the rest come?|How were the goods paid?|What temperature was it in the lorry?"),
    "patient": dict(titles="Patient record|Admission sheet|Patient data", rows=one(patient), single=True, fixed=True,
        optional="blood allergy height weight relative diet bed", columns={
        "name": ("Patient|Name", "Who is the patient?|Whose record is it?"), "born": ("Date of birth|Born",
            "When was the patient born?|How old is the patient, which birthday?"), "insurer": ("Insurance|Insurer", "Who pays for the treatment?|"
                "Where is the patient insured?"), "number": ("Insurance no.|Policy", "Under what number is the patient insured?"),
        "blood": ("Blood group|Blood type", "Which blood may be given?|What blood has the patient got?"), "allergy": ("Allergies|Allergic to",
            "What mustn't the patient get?|What can't the patient tolerate?"), "height": ("Height ~cm", "How tall is the patient?"),
                "weight": ("Weight ~kg", "How heavy is the patient?"), "doctor": ("Attending physician|Doctor",
                    "Who treats the patient?|Which doctor is in charge?"),
        "ward": ("Ward|Station", "Where in the hospital is the patient?|Where do visitors go?"), "bed": ("Bed|Bed no.", "Which bed is it?"),
            "admitted": ("Admitted|Admission", "When did the patient come in?|Since when has the patient been here?"),
                "relative": ("Next of kin|Relative", "Which relative do we call?|Who in the family should be told?"), "diet": ("Diet|Food",
                    "What may the patient eat?|Anything to mind with meals?")},
        lacks="When can the patient go home?|What is the diagnosis?|When is the operation?|Does the patient smoke?|"
            "What is the patient's temperature?"),
    "policy": dict(titles="Policy schedule|Your insurance|Certificate of insurance", rows=one(policy), single=True, fixed=True,
        optional="agent claims notice pay excess", columns={
        "no": ("Policy no.|Policy number", "What number has my policy?|What do I quote when I claim?"), "holder": ("Policyholder|Insured",
            "Who is insured?|Whose insurance is it?"), "insurer": ("Insurer|Company", "Which company is it with?|Who insures me?"),
                "kind": ("Class|Type of cover", "What kind of insurance is it?|What am I insured for?"),
        "start": ("Begins|Start of cover|From", "When does it start?|From when am I covered?"), "end": ("Expires|End of cover|To",
            "When does it run out?|Until when am I covered?"), "premium": ("Premium ~money|Contribution ~money",
                "What do I pay for it?|How much is the insurance?"), "pay": ("Payable|Instalments", "How often do I pay?"),
                    "excess": ("Excess ~money|Deductible ~money", "How much do I bear myself?|What part of a damage do I pay?"),
        "sum": ("Sum insured ~money|Cover up to ~money", "How much do they pay at most?|Up to what amount am I covered?"),
            "agent": ("Agent|Adviser", "Who sold me this?|Who advises me?"), "claims": ("Claims line|In case of damage",
                "What number do I call after an accident?|Where do I report a damage?"), "notice": ("Notice period|Notice",
                    "How early must I cancel?|How long before the end do I give notice?")},
        lacks="Is my wife covered too?|Does it cover earthquakes?|Is there a no-claims bonus?|Am I insured abroad?"),
    "job": dict(titles="Vacancy|Job offer|We are hiring", rows=one(job), single=True, fixed=True, optional="leave boss ref home need term", columns={
        "title": ("Position|Job|Wanted", "Who are they looking for?|What is the job?"), "firm": ("Employer|Company",
            "Who is hiring?|Which company is it?"), "town": ("Place of work|Location", "Where would I work?|In what town is the job?"),
                "pay": ("Salary ~money|Gross per year ~money", "How much would I earn?|What do they pay?"),
        "hours": ("Hours per week ~h|Weekly hours ~h", "How many hours would I work?|Is it full time, how many hours?"), "start": ("Start|From",
            "When can I begin?|From when is the job free?"), "term": ("Term|Contract",
                "How long would the contract be?|Is it for ever or limited?"), "leave": ("Holiday ~days|Annual leave ~days",
                    "How much holiday would I get?|How many days off are there?"),
        "apply": ("Apply to|Applications", "Where do I send my CV?|Where do I apply?"), "until": ("Apply by|Deadline",
            "When is the last day to apply?|Until when can I send my papers?"), "boss": ("Line manager|Reports to",
                "Who would be my boss?|Who would I work under?"), "ref": ("Reference|Job ID", "Which number do I put on my application?|"
                    "What's the ID of this job?"),
        "home": ("Home office|Remote work", "Can I work from home?|How much can I do from home?"), "need": ("Requirements|You need",
            "What must I have for the job?|What do they expect of me?")},
        lacks="Is there a company car?|How many people work there?|How long is the probation period?|Is there a canteen?|Do they pay for the move?"),
}  # fmt: skip
