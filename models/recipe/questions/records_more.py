"""More subjects of records.py: nature, travel, money, health, technology."""

from records_bank import CITIES, WEEK

PLANETS = """Mercury|4,879|88 days|0|Messenger|167
Venus|12,104|225 days|0|Magellan|464
Earth|12,756|365 days|1||15
Mars|6,792|687 days|2|Curiosity|-65
Jupiter|142,984|12 years|95|Juno|-110
Saturn|120,536|29 years|146|Cassini|-140
Uranus|51,118|84 years|28|Voyager 2|-195
Neptune|49,528|165 years|16|Voyager 2|-200"""
ELEMENTS = """Hydrogen|H|1|gas|Henry Cavendish|1766
Helium|He|2|gas|Pierre Janssen|1868
Lithium|Li|3|solid|Johan August Arfwedson|1817
Nitrogen|N|7|gas|Daniel Rutherford|1772
Oxygen|O|8|gas|Carl Wilhelm Scheele|1771
Sodium|Na|11|solid|Humphry Davy|1807
Aluminium|Al|13|solid|Hans Christian Ørsted|1825
Silicon|Si|14|solid|Jöns Jacob Berzelius|1824
Phosphorus|P|15|solid|Hennig Brand|1669
Titanium|Ti|22|solid|William Gregor|1791
Cobalt|Co|27|solid|Georg Brandt|1735
Nickel|Ni|28|solid|Axel Fredrik Cronstedt|1751
Bromine|Br|35|liquid|Antoine Balard|1826
Krypton|Kr|36|gas|William Ramsay|1898
Palladium|Pd|46|solid|William Hyde Wollaston|1803
Iodine|I|53|solid|Bernard Courtois|1811
Tungsten|W|74|solid|Juan José Elhuyar|1783
Radium|Ra|88|solid|Marie Curie|1898
Uranium|U|92|solid|Martin Heinrich Klaproth|1789"""
COUNTRIES = """Norway|Oslo|krone|Norwegian|.no|47
Portugal|Lisbon|euro|Portuguese|.pt|351
Hungary|Budapest|forint|Hungarian|.hu|36
Japan|Tokyo|yen|Japanese|.jp|81
Kenya|Nairobi|shilling|Swahili|.ke|254
Brazil|Brasília|real|Portuguese|.br|55
Thailand|Bangkok|baht|Thai|.th|66
Poland|Warsaw|złoty|Polish|.pl|48
Vietnam|Hanoi|dong|Vietnamese|.vn|84
Turkey|Ankara|lira|Turkish|.tr|90
Ghana|Accra|cedi|English|.gh|233
Iceland|Reykjavík|króna|Icelandic|.is|354
Mongolia|Ulaanbaatar|tögrög|Mongolian|.mn|976
Georgia|Tbilisi|lari|Georgian|.ge|995
Bulgaria|Sofia|lev|Bulgarian|.bg|359
Peru|Lima|sol|Spanish|.pe|51
Morocco|Rabat|dirham|Arabic|.ma|212
Bhutan|Thimphu|ngultrum|Dzongkha|.bt|975
Ethiopia|Addis Ababa|birr|Amharic|.et|251
Nepal|Kathmandu|rupee|Nepali|.np|977
Albania|Tirana|lek|Albanian|.al|355
Greece|Athens|euro|Greek|.gr|30"""
MEDICINES = ("Ramipril;5 mg;blood pressure|Metformin;500 mg;diabetes|Ibuprofen;400 mg;pain|Pantoprazole;20 mg;stomach|Levothyroxine;75 µg;thyroid|"
    "Simvastatin;20 mg;cholesterol|Bisoprolol;2.5 mg;heart|"
             "Amoxicillin;1,000 mg;infection|Vitamin D;1,000 IU;bones|Cetirizine;10 mg;hay fever|Melatonin;2 mg;sleep|Salbutamol;100 µg;asthma|"
                 "Furosemide;40 mg;water in the legs|Iron;100 mg;anaemia")  # fmt: skip
ERRORS = """door not closed|close the door until it clicks
water inlet blocked|open the tap and clean the inlet filter
pump clogged|empty the fluff filter
overheating|let the device cool for 30 minutes
battery low|charge for two hours
paper jam|open the rear flap and pull the sheet out
no signal|check the antenna cable
sensor defective|call customer service
memory full|delete old recordings
fan blocked|remove dust from the grille
wrong voltage|use the power supply enclosed
oil level too low|top up with 10W-40
cartridge missing|insert a cartridge
network not found|restart the router
lid lock jammed|switch off and wait a minute
drum out of balance|spread the laundry evenly
heating element faulty|have the element replaced
leak detected|turn the water off and look for the leak
clock not set|set the time
filter saturated|replace the carbon filter
key stuck|press the key several times
card unreadable|wipe the chip with a dry cloth
pressure too high|open the relief valve slowly
descaling due|run the descaling programme"""
PARTS = (
    "drive belt|carbon brush|door seal|lint filter|pump motor|spray arm|hinge set|control board|thermostat|heating rod|bearing kit|"
    "inlet hose|knob, black|shelf, glass|drawer, lower|castor wheel|fan blade|spark plug|air filter|chain guard|brake pad|toner drum|"
    "feed roller|lamp cover"
)
FILMS = (
    "The Glass Orchard|Nine Winters|A Letter to Mona|Salt and Iron|The Last Ferry|Paper Moons|Under the Viaduct|Blue Hour|"
    "The Beekeeper's Son|No Exit to Porto|Harvest of Sand|Midnight Tram|Little Astronauts|The Clockmaker|Wolves of Ostrava|"
    "Tea with the General|Cold Front|Seven Bridges|The Understudy|Granite|A Dog Named Tuesday|Lanterns|The Third Witness|Home by Dark"
)
FOODS = """Rolled oats|372|13.5|58.7|7.0|0.1
Lentils, cooked|116|9.0|20.1|0.4|0.2
Cottage cheese|98|11.1|3.4|4.3|2.7
Peanut butter|588|25.1|20.0|50.4|9.2
Wholemeal bread|247|13.0|41.3|3.4|6.0
Banana|89|1.1|22.8|0.3|12.2
Smoked salmon|117|18.3|0.5|4.3|0.6
Milk chocolate|535|7.7|59.4|29.7|51.5
Greek yoghurt|97|9.1|3.9|5.0|3.6
Potato crisps|536|7.1|53.2|34.6|0.3
Brown rice, boiled|112|2.3|23.5|0.9|0.4
Avocado|160|2.0|8.5|14.7|0.7
Tomato soup|48|1.2|7.3|1.6|4.8
Chickpeas, tinned|139|7.2|22.5|2.8|3.9
Orange juice|45|0.7|10.4|0.2|8.4
Tofu, firm|144|17.3|2.8|8.7|0.5
Walnuts|654|15.2|13.7|65.2|2.6
Maple syrup|260|0.0|67.0|0.1|60.5"""
BOOKS = (
    "The Long Ditch|Owls of the North|Bread for Beginners|A Short History of Salt|Knots|The Quiet Engine|Gardens without Water|"
    "Atlas of Lost Roads|The Miller's Daughter|Calculus for Poets|Islands in Fog|Beekeeping Simply|Stone Walls|Letters from the Fens|"
    "How Bridges Fall|The Copper King|Night Trains|Learning to Whittle|The Salt Road|Moths"
)
COURSES = (
    "Spanish for beginners|Pottery|First aid|Watercolours|Yoga for the back|Spreadsheets|Guitar, level 2|Bookbinding|"
    "Swimming for adults|Italian cooking|Sign language|Photography|Tango|Woodcarving|Public speaking|Chess|Sewing|Bread baking|"
    "Self-defence|Tax returns|Singing in a choir|Bicycle repair|Calligraphy|Beekeeping"
)
ROOMS = "Oak|Maple|Birch|Linden|Willow|Elm|Cedar|Hazel|Rowan|Poplar|Alder|Juniper|Larch|Chestnut|Sycamore|Hawthorn|Beech|Acacia|Spruce|Yew"
DISHES = (
    "Mushroom risotto|Onion tart|Grilled trout|Lamb stew|Pumpkin soup|Beetroot salad|Cheese dumplings|Roast duck|Vegetable curry|"
    "Fish pie|Lentil burger|Potato pancakes|Veal schnitzel|Spinach lasagne|Prawn noodles|Apple crumble|Chocolate mousse|Lemon sorbet|"
    "Walnut ravioli|Bean chilli"
)
TALKS = (
    "Caching without tears|What birds taught us about routing|Ten years of tests|Small compilers|Maps for everyone|The cost of a click|"
    "Databases on a boat|Type systems in the wild|Fonts are programs|Debugging with a notebook|Why queues grow|Green data centres|"
    "A tour of the scheduler|Plain text forever|Sound from numbers|Teaching children to code|Logs worth reading|When backups fail"
)
SERVICES = (
    "web shop|mail relay|payroll|wiki|ticket system|file share|build runner|print queue|telephone exchange|backup|monitoring|chat|"
    "calendar|image store|search index|customer database|licence server|proxy|name server|time server"
)


def known(text, columns):
    def rows(p, n):
        lines = p.some(text.split("\n"), n)
        out = [dict(zip(columns.split(), line.split("|"))) for line in lines]
        return [row | dict(_food=row["food"].lower()) if "food" in row else row for row in out]

    return rows


def forecast(p, n):
    sky = "sunny|cloudy|light rain|heavy rain|fog|showers|thunderstorms|snow|drizzle|clear|overcast|sleet|windy|hazy|sunny spells|hail"
    skies, days = p.some(sky, min(n, 14)), p.series(min(n, 14), 1, 1)
    return [dict(day=WEEK[d.weekday()] if n <= 7 else WEEK[d.weekday()][:3] + " " + p.short(d), sky=s, high=str((t := p.int(-4, 33))),
        low=str(t - p.int(3, 12)), rain=str(p.int(0, 19) * 5),
                 wind=p.pick("N|NE|E|SE|S|SW|W|NW") + " " + str(p.int(1, 9)), sunrise=p.clock(p.int(300, 480))) for d, s in zip(days, skies)]  # fmt: skip


def budget(p, n):
    items = (
        "Rent|Printing|Travel|Catering|Insurance|Music and licences|Posters|Heating|Cleaning|Repairs|Stage|Prizes|Website|Postage|"
        "Speakers' fees|Decorations|First aid|Security|Toilets|Electricity|Gifts|Training|Software|Furniture"
    )
    return [dict(item=x, planned=p.amount(100, 9000, 0.9), spent=p.amount(80, 9900, 0.7), who=p.person(), account=str(p.int(4000, 6999)),
        _item=x[0].lower() + x[1:]) for x in p.some(items, n)]


def bank(p, n):
    kinds = (
        "Rent|Salary|Electricity|Groceries|Insurance|Cash machine|Refund|Book shop|Telephone|Pharmacy|Gym|Petrol|Rail tickets|Dentist|"
        "Shoes|Garden centre|Donation|Parking fine|Newspaper|Birthday present|Broadband|Water"
    )
    balance, rows = p.int(500, 6000) * 1.0, []
    kinds = p.some(kinds, n)
    for what, d in zip(kinds, p.series(len(kinds), 1, 4)):
        gain, amount = what in ("Salary", "Refund"), p.int(5, 900) + p.int(0, 99) / 100
        balance += amount if gain else -amount
        rows.append(dict(date=p.short(d), payee=p.firm(), text=what, amount=f"{'+' if gain else '-'}{amount:,.2f}", balance=f"{balance:,.2f}",
            ref=p.code(), _text=what.lower(), _bare=f"{amount:,.2f}"))
    return rows


def invoice(p, n):
    things = (
        "Oak table, 180 cm|Kitchen chair|Delivery to second floor|Assembly per hour|Wall cabinet|Worktop, beech|Sink, steel|Mixer tap|"
        "Removal of old units|Tile splashback|Spotlights|Drawer inserts|Socket, double|Painting, per m²|Skirting boards|Silicone joints|"
        "Dishwasher|Oven, built-in|Extractor hood|Small parts|Travel costs|Waste disposal"
    )
    rows = []
    for i, x in enumerate(p.some(things, n), 1):
        q, e = p.int(1, 12), p.int(5, 600) + p.int(0, 3) / 4
        rows.append(dict(pos=str(i), text=x, qty=str(q), each=f"{e:,.2f}", sum=f"{q * e:,.2f}", no=p.code(), _text=x[0].lower() + x[1:]))
    return rows


def medicines(p, n):
    rows = []
    for x in p.some(MEDICINES, n):
        name, strength, why = x.split(";")
        rows.append(dict(name=name, strength=strength, dose=p.pick("1 tablet|2 tablets|half a tablet|1 capsule|10 drops|20 drops|5 ml"),
            when=p.pick("before breakfast|with breakfast|at noon|after dinner|at bedtime|morning and evening|three times a day|only if needed|"
                "every other day|Mondays"),
                         why=why, until=p.pick([p.day(p.when()), "long term", "further notice", "2 weeks", "10 days", p.short(p.when())]),
                         doctor="Dr " + p.person().split()[1]))  # fmt: skip
    return rows


def flights(p, n):
    t, rows = p.int(60, 90) * 5, []
    gates = p.some([f"{a}{k}" for a in "ABCD" for k in range(1, 40)], n)
    for city, gate in zip(p.some(CITIES + "|Athens|Lisbon|Oslo|Riga|Vienna|Madrid|Cairo|Tunis|Malta|Zurich|Prague|Dublin", n), gates):
        rows.append(dict(time=p.clock(t), flight=p.pick("LX|BA|KL|SK|TP|OS|AY|EI") + " " + str(p.int(100, 9899)), to=city, gate=gate,
            terminal=p.pick("1|2|3|North|South"), status=p.pick("boarding|on time|delayed|cancelled|gate closed|last call|check-in open"),
                         new=p.clock(t + p.int(2, 20) * 5), desk=f"{p.int(1, 40)}–{p.int(41, 90)}"))  # fmt: skip
        t += p.int(1, 6) * 5
    return rows


def hotel(p, n):
    floor, rows = p.int(1, 3), []
    for i in range(min(n, 30)):
        rows.append(dict(room=f"{floor + i // 8}{i % 8 + 1:02}", type=p.pick("single|double|twin|suite|family room|attic room|studio"),
            price=p.amount(55, 320, 0.9), view=p.pick("sea|courtyard|garden|street|mountains|car park|church|pool|rooftops|harbour"),
                         beds=p.pick("1 single|1 double|2 singles|1 double, 1 sofa bed|4 bunks|king-size|queen-size"), guest=p.person(),
                         leaves=p.short(p.when())))  # fmt: skip
    return [r | dict(_last=r["guest"].split()[1]) for r in rows]


def films(p, n):
    rows = []
    for x in p.some(FILMS, n):
        rows.append(dict(title=x, director=p.person(), year=str(p.int(1948, p.year)), minutes=str(p.int(71, 190)), screen=p.pick("1|2|3|4|5|Studio|"
            "Gallery|Open air"), start=p.clock(p.int(156, 270) * 5), language=p.pick("French|Polish|Japanese|Danish|Arabic|Korean|Czech|Spanish"),
                         age=p.pick("all ages|6|12|15|16|18")))  # fmt: skip
    return [r | dict(_last=r["director"].split()[1]) for r in rows]


def spares(p, n):
    return [dict(pos=str(i), part=x[0].upper() + x[1:], no=p.code(), fits=p.pick("WM|DX|KR|T|SL|GX") + str(p.int(100, 990)), price=p.amount(2, 180,
        0.05), torque=str(p.int(2, 90)), ships=p.pick("at once|3 days|1 week|2 weeks|4 weeks|not available"), _part=x)
            for i, x in enumerate(p.some(PARTS, n), 1)]  # fmt: skip


def errors(p, n):
    style, base = p.pick("E{:02}|F{}|ERR-{:03}|0x{:02X}|{:04}|H{:03}"), p.int(1, 60)
    rows, k = [], base
    for line in p.some(ERRORS.split("\n"), n):
        meaning, remedy = line.split("|")
        rows.append(dict(code=style.format(k), meaning=meaning, remedy=remedy, light=p.pick("red, steady|red, flashing|yellow, steady|"
            "yellow, flashing|off|green, flashing"), beeps=str(p.int(0, 9))))
        k += p.int(1, 4)
    return rows


def hours(p, n):
    places = p.some("Palm house|Swimming pool|Town museum|Miniature golf course|Tourist office|Ice rink|Botanical garden|Zoo|Castle|City archive|"
        "Covered market|Observatory|Planetarium|Toy library|Sauna|Climbing hall|Art gallery|Steam railway|Water tower", n)  # fmt: skip
    return [dict(place=x, opens=p.clock(p.int(14, 22) * 30), closes=p.clock(p.int(30, 44) * 30), shut=p.rng.choice(WEEK), entry=p.amount(1, 20,
        0.5), street=p.place() + p.pick(" Road| Street| Lane| Square") + f" {p.int(1, 120)}", phone=p.phone(), _place=x.lower()) for x in places]


def sensors(p, n):
    places = p.some("boiler room|roof, north side|cold store|server cabinet|greenhouse|cellar|intake pipe|loading bay|laboratory|attic|stairwell|"
        "tank 1|tank 2|compressor hall|office|garage|paint shop|drying chamber|well|chimney|clean room|canteen", n)  # fmt: skip
    ids = p.some([f"{p.pick('S|T|H|M')}{k:02}" for k in range(1, 99)], len(places))
    return [dict(id=i, place=x, temp=f"{p.int(-20, 90)}.{p.int(0, 9)}", hum=str(p.int(12, 99)), time=p.clock(p.int(0, 1439)), battery=str(p.int(2,
        100)), limit=str(p.int(20, 120)), serviced=p.day(p.when())) for i, x in zip(ids, places)]


def rooms(p, n):
    names = p.some(ROOMS, n)
    which = p.int(0, len(names) - 1)
    return [dict(room=x, seats=str(p.int(2, 80)), floor=p.pick("ground floor|1st floor|2nd floor|3rd floor|basement|annexe"),
        projector="yes" if i == which or p.rng.random() < 0.25 else "no", phone=str(p.int(2000, 8999)),
                 kit=p.pick("whiteboard|flip chart|video camera|two screens|piano|coffee machine|air conditioning|round table|loudspeakers|-"),
                     keeper=p.person(), price=p.amount(10, 200, 0.9)) for i, x in enumerate(names)]  # fmt: skip


def court(p, n):
    t, rows = p.int(96, 110) * 5, []
    for a, b in zip(p.people(n), range(n)):
        other = p.pick([p.firm(), p.firm(), "the Crown", p.place() + " Council"])
        rows.append(dict(time=p.clock(t), case=f"{p.int(1, 40)} {p.pick('C|O|Cs|F')} {p.int(1, 999)}/{p.int(20, 27)}", parties=f"{a} v {other}",
            about=p.pick("rent arrears|a fence|building defects|wages|speeding|theft|a will|custody|unpaid invoices|noise|a dog bite|insurance|"
                "fraud|dismissal"),
                         room=p.pick("1|2|3|4|5|6|A|B|C|101|204"), judge="Judge " + p.pick("Ashdown|Birkett|Carver|Dacre|Elphick|Fenwick|Garnett|"
                         "Harcourt"), witnesses=str(p.int(0, 9)), _last=a.split()[1]))  # fmt: skip
        t += p.int(3, 12) * 5
    return rows


def family(p, n):
    last, rows, used = p.pick("Abbot|Thorne|Harlow|Pettigrew|Lindgren|Marlowe|Okonjo|Fairweather|Brandt|Castell"), [], p.some("Agnes|Albert|Bertha|"
        "Caspar|Dora|Edmund|Esther|Ferdinand|Gertrude|Hector|Isolde|Jasper|Kate|Leopold|Mabel|Nathan|Ottilie|Percy|Quentin|Rosamund|Silas|Theodora|"
            "Ulrich|Violet|Walter|Yvonne", n)  # fmt: skip
    for first in used:
        born = p.int(1740, 1930)
        rows.append(dict(name=f"{first} {last}", born=str(born), died=str(born + p.int(24, 95)), where=p.place(), spouse=p.person(),
            job=p.pick("baker|blacksmith|midwife|teacher|sailor|farmer|weaver|notary|clockmaker|organist|miner|innkeeper|glazier|cooper"),
                children=str(p.int(0, 11)), _first=first))
    return [r | dict(_spouse=r["spouse"]) for r in rows]


def courses(p, n):
    return [dict(no=str(p.int(100, 999)) + p.pick("A|B|K|S|"), course=x, teacher=p.person(), day=p.rng.choice(WEEK[:6]), time=p.clock(p.int(34,
        41) * 30), room=p.pick("B 12|B 14|Gym|Studio 2|Kitchen|Hall|R 105|R 206|Workshop|Library|Pool"), fee=p.amount(20, 240, 0.7),
            places=str(p.int(5, 30)),
                 begins=p.short(p.when()), _c=x[0].lower() + x[1:] if not x.split()[0] in ("Spanish", "Italian") else x) for x in p.some(COURSES, n)]  # fmt: skip


def servers(p, n):
    names = p.some("atlas|boreas|calypso|dione|eris|faunus|gaia|hermes|iris|janus|kronos|leda|metis|nyx|orion|pan|rhea|selene|triton|urania|vesta|"
        "zephyr|helios|ceres|aether|hebe", n)
    roles = p.some(SERVICES, len(names))
    return [dict(host=x, ip=f"10.{p.int(0, 40)}.{p.int(0, 255)}.{p.int(2, 254)}", role=r, os=p.pick("Debian 12|Debian 11|Rocky 9|FreeBSD 14|"
        "Windows Server 2022|Ubuntu 22.04|Alpine 3.19"), ram=p.pick("4|8|16|32|64|128|256|512"), rack=p.pick("A|B|C|D") + str(p.int(1, 42)),
            admin=p.person(), bought=str(p.int(2014, 2025)))
            for x, r in zip(names, roles)]  # fmt: skip


SUBJECTS = {
    "planets": dict(
        titles="The planets|Our solar system|Planets at a glance", rows=known(PLANETS, "planet across year moons probe temp"), fixed=True,
            optional="probe temp moons",
        columns={
            "planet": ("Planet|Name|Body", "Which planet has {moons} moons?|Which one needs {year} to go round the sun?|"
                "Where is it {temp} degrees on average?|Which planet did {probe} explore?|What measures {across} km across?"),
            "across": ("Diameter ~km|Across ~km", "How big is {planet}?|How wide is {planet}?|What is the size of {planet} from side to side?"),
            "year": ("Year|Orbit|Orbital period", "How long does {planet} take to go round the sun?|How long is a year on {planet}?|"
                "How quickly does {planet} circle the sun?"),
            "moons": ("Moons|Known moons|Satellites", "How many moons has {planet}?|How many satellites circle {planet}?|"
                "Number of {planet}'s moons?"),
            "probe": ("Probe|Visited by|Mission", "What was sent to {planet}?|Which spacecraft visited {planet}?|What has explored {planet}?"),
            "temp": ("Mean temperature ~°C|Temperature ~°C", "How hot or cold is it on {planet}?|"
                "What's the weather like on {planet}, how many degrees?|How warm is {planet}?"),
        },
        lacks="Who discovered {planet}?|How heavy is {planet}?|How long is a day on {planet}?|Does {planet} have rings?",
        sentences="{planet} is {across} wide, circles the sun in {year} and has {moons} known moons.|"
            "With a diameter of {across}, {planet} needs {year} for its orbit; moons: {moons}.",
        notes=[("Pluto has been counted among the dwarf planets since [2006].", "Since when is Pluto no longer counted as a planet?|"
            "When did Pluto become a dwarf planet?")],
    ),
    "elements": dict(
        titles="Chemical elements|Elements and their discoverers|Some elements", rows=known(ELEMENTS, "name symbol z state who year"), fixed=True,
            optional="state who year",
        columns={
            "name": ("Element|Name", "Which element did {who} find?|What does {symbol} stand for?|Which one is number {z}?|"
                "Which element was found in {year}?|[state=liquid]Which element is liquid at room temperature?"),
            "symbol": ("Symbol|Sign|Abbr.", "How is {name} abbreviated?|What do chemists write for {name}?|Which letters stand for {name}?|"
                "Which sign has number {z}?"),
            "z": ("Atomic number|Z|No.", "How many protons has {name}?|Where in the periodic table is {name}, which number?|"
                "Which number is {symbol}?"),
            "state": ("State at 20 °C|State|Phase", "Is {name} solid, liquid or a gas?|In what form does {name} come at room temperature?"),
            "who": ("Discovered by|Discoverer|Found by", "Who discovered {name}?|Who found {symbol}?|Whom do we owe {name} to?|"
                "Who made a discovery in {year}?"),
            "year": ("Year|Discovered in|Discovery", "When was {name} discovered?|When did {who} find it?|Since when has {name} been known?"),
        },
        lacks="At what temperature does {name} melt?|How much does {name} cost?|What is {name} used for?|How heavy is a {name} atom?",
        sentences="{name} ({symbol}, number {z}) was discovered by {who} in {year}.|In {year} {who} discovered {name}, symbol {symbol}, number {z}.",
    ),
    "countries": dict(
        titles="Countries|Countries and capitals|Facts for travellers", rows=known(COUNTRIES, "country capital money language domain dial"),
            fixed=True, optional="money language domain dial",
        columns={
            "country": ("Country|State|Land", "{capital} is the capital of which country?|Where do they pay with the {money}?|"
                "Whose internet addresses end in {domain}?|Where am I calling if the number begins with +{dial}?|Where is {language} spoken?|"
                    "In which country is {capital}?"),
            "capital": ("Capital|Capital city|Seat of government", "What is the capital of {country}?|Where does the government of {country} sit?|"
                "Main city of {country}?"),
            "money": ("Currency|Money", "What do people pay with in {country}?|Which money do I need in {country}?|"
                "What should I change my cash into for {country}?"),
            "language": ("Language|Spoken", "What do they speak in {country}?|Which language should I learn for {country}?|"
                "What is spoken in {capital}?"),
            "domain": ("Internet domain|TLD|Domain", "What do websites from {country} end in?|How do internet addresses in {country} end?"),
            "dial": ("Dialling code|Phone prefix|Country code", "What do I dial for {country}?|Which prefix has {country}?|"
                "How do I phone {capital} from abroad, which prefix?"),
        },
        lacks="How many people live in {country}?|Do I need a visa for {country}?|Who is president of {country}?|"
            "How high is the highest mountain in {country}?",
        sentences="The capital of {country} is {capital}, people speak {language} and pay with the {money}.|"
            "{country}: capital {capital}, language {language}, currency {money}.",
    ),
    "forecast": dict(
        titles="Weather|Forecast|The weather in the next days|Outlook", rows=forecast, optional="rain wind low sunrise",
        columns={
            "day": ("Day|Date|When", "When will there be {sky}?|On which day do we get {sky}?|When does it get up to {high}?|When do we have {sky}?"),
            "sky": ("Weather|Conditions|Sky", "What will it be like on {day}?|How is the weather on {day}?|What do we get on {day}?|"
                "Should I take an umbrella on {day}, what is forecast?"),
            "high": ("High ~°C|Max ~°C|Day ~°C", "How warm does it get on {day}?|How hot will {day} be?|What is the top temperature on {day}?"),
            "low": ("Low ~°C|Min ~°C|Night ~°C", "How cold does it get on {day}?|What is the lowest on {day}?|"
                "How far does the temperature fall on {day}?"),
            "rain": ("Chance of rain ~%|Rain ~%", "How likely is rain on {day}?|Will it rain on {day}, what are the odds?"),
            "wind": ("Wind|Wind (Bft)", "How strong is the wind on {day}?|Where does the wind come from on {day}?"),
            "sunrise": ("Sunrise|Sun up", "When does it get light on {day}?|What time does the sun come up on {day}?"),
        },
        lacks="How high are the waves on {day}?|How much snow falls on {day}?|What's the pollen count on {day}?|When is sunset on {day}?",
        sentences="{day}: {sky}, up to {high}, at night {low}.|On {day} expect {sky}; temperatures between {low} and {high}.",
        notes=[("Source: [{firm}].", "Where does the forecast come from?|Who provides the data?"), ("Storm warning until [{clock}].",
            "Until when does the storm warning last?")],
    ),
    "budget": dict(
        titles="Budget|Budget and expenses|Costs of the summer festival|Finances", rows=budget, optional="who account spent", parts={"_item": "item"},
        columns={
            "item": ("Item|Heading|Purpose|Cost centre", "What did we plan {planned} for?|On what did we spend {spent}?|"
                "What is {who} responsible for?|What is booked on {account}?"),
            "planned": ("Planned ~money|Budget ~money|Estimate ~money", "How much did we set aside for {_item}?|How much may {_item} cost?|"
                "What was the plan for {_item}?|How much money has {who} been given?"),
            "spent": ("Spent ~money|Actual ~money|So far ~money", "How much did {_item} cost in the end?|How much has gone into {_item}?|"
                "What did we really pay for {_item}?|How much has {who} used up?"),
            "who": ("Responsible|Holder|Looked after by", "Who looks after {_item}?|Whom do I ask for money for {_item}?|Who signs for {account}?"),
            "account": ("Account|Account no.", "Which account is {_item} booked on?|Where do I book a receipt for {_item}?"),
        },
        lacks="Who paid for {_item} last year?|Which firm got the money for {_item}?|When was {_item} approved?",
        sentences="For {item} we planned {planned} and spent {spent}.|{item}: {spent} of {planned} used.",
        notes=[("The treasurer is [{person}].", "Who is the treasurer?"), ("Receipts have to be handed in by [{date}].",
            "When is the last day for receipts?|By when do I hand in my receipts?"), ("Anything above [{money}] needs two signatures.",
                "From what sum do we need two signatures?")],
    ),
    "bank": dict(
        titles="Account statement|Statement of account|Transactions|Your account this month", rows=bank, ranked=True, optional="ref balance payee",
            parts={"_text": "text", "_bare": "amount"},
        columns={
            "date": ("Date|Booked|Value date", "When was the booking with {payee}?|When was the {_text} booked?|When was {_bare} booked?|"
                "On what day did the account stand at {balance}?"),
            "payee": ("Payee|To/From|Name", "Who got {_bare}?|Which name stands beside the {_text}?|Who is behind {ref}?|"
                "With whom was the booking on {date}?"),
            "text": ("Details|Purpose|Description", "What was the {_bare} for?|What was it for with {payee}?|What was booked on {date}?|"
                "What is {ref} about?"),
            "amount": ("Amount|Sum", "How much was the {_text}?|How much went to or from {payee}?|What was booked under {ref}?|{_text}, how much?"),
            "balance": ("Balance|New balance", "How much was in the account after the {_text}?|What was left after {payee}?|"
                "What did the account stand at on {date}?"),
            "ref": ("Reference|Ref.", "What is the reference of the {_text}?|Which number has the booking with {payee}?"),
        },
        lacks="Which card was used for the {_text}?|In which town was the {_text} paid?|What is the IBAN of {payee}?",
        notes=[("Overdraft limit: [{money}]", "How far can I overdraw?"), ("Lost your card? Call [{phone}].",
            "What number do I call if my card is gone?"), ("Interest on overdrafts is [{n}.5 %] a year.",
                "What interest do I pay when I'm in the red?")],
    ),
    "invoice": dict(
        titles="Invoice|Invoice for your kitchen|Our bill|Quotation", rows=invoice, ranked=True, optional="no", parts={"_text": "text"},
        columns={
            "text": ("Description|Item|Service", "What is position {pos}?|What costs {each} apiece?|What does {sum} stand for?|"
                "What is number {pos} on the bill?|What is {no}?"),
            "qty": ("Qty|Quantity|Number", "How many of the {_text} are there?|How many units of {_text} do they charge?|How many in line {pos}?"),
            "each": ("Unit price ~money|Each ~money|Price ~money", "What does one unit of {_text} cost?|"
                "What is charged per piece for position {pos}?|Price of a single {_text}?"),
            "sum": ("Amount ~money|Total ~money|Sum ~money", "How much is {_text} altogether?|What do we pay in all for {_text}?|"
                "How much does line {pos} come to?"),
            "no": ("Item no.|Art. no.", "Which article number has {_text}?|What's the code in line {pos}?"),
            "pos": ("Pos.|Line|#", "In which line is the {_text}?|Which position is the {_text}?"),
        },
        lacks="What guarantee is there on {_text}?|Who delivered the {_text}?|What colour was ordered for {_text}?",
        notes=[("Payable within [{n} days] without deduction.|Please pay within [{n} days].", "How long do I have to pay?|When is the money due?"),
            ("Pay by [{date}] and deduct 2 %.", "Until when can I deduct 2 percent?"), ("Customer number: [{code}]", "What's my customer number?"),
               ("Your contact: [{person}]", "Who do I talk to about this bill?"), ("Invoice date: [{date}]", "What date is on the invoice?|"
                   "When was this billed?"), ("Total including VAT: [{money}]", "What is the grand total?|How much do I have to pay in all?")],
    ),
    "medicines": dict(
        titles="Medication plan|My medicines|Medicines to take|What to take and when", rows=medicines, optional="strength why until doctor",
        columns={
            "name": ("Medicine|Drug|Active ingredient|Preparation", "What do I take {when}?|What is the {why} medicine called?|"
                "What do I take for {why}?|What did {doctor} prescribe?|Which one has {strength}?|What do I need {dose} of?"),
            "strength": ("Strength|Per unit", "How strong is the {name}?|What strength of {name} do I buy?|"
                "How many milligrams, which strength is {name}?"),
            "dose": ("Dose|How much|Quantity", "How much {name} do I take?|How much do I take against {why}?|How much {name} at a time?"),
            "when": ("When|Time|Taken", "When do I take {name}?|At what time of day is {name} due?|When do I take the one for {why}?|"
                "How often {name}?"),
            "why": ("For|Reason|Against|Purpose", "What is {name} good for?|Why do I take {name}?|What does {name} help with?"),
            "until": ("Until|Duration|Take until", "How long do I take {name}?|When can I stop with {name}?"),
            "doctor": ("Prescribed by|Doctor", "Who prescribed {name}?|Who do I ask about {name}?|Who gave me something for {why}?"),
        },
        lacks="Can I drink alcohol with {name}?|What are the side effects of {name}?|Is {name} covered by insurance?|"
            "How many packs of {name} are left?",
        sentences="{name} ({strength}): {dose} {when}, for {why}.|Take {dose} of {name} {strength} {when}; it is for {why}.",
        notes=[("Allergies: [{known}]".replace("{known}", "penicillin"), "What is the patient allergic to?|Are there any allergies?"),
            ("In case of a rash stop everything and call [{phone}].", "What number do I call when I get a rash?"), ("Next appointment: [{date}]",
                "When is the next appointment?|When do I see the doctor again?")],
    ),
    "flights": dict(
        titles="Departures|Flights|Departures today|Flight information", rows=flights, optional="terminal new desk",
        columns={
            "time": ("Time|Scheduled|Departure|STD", "When does the plane to {to} leave?|When is {flight} supposed to leave?|"
                "What time is the flight to {to}?|When do they take off from gate {gate}?"),
            "flight": ("Flight|Flight no.", "Which flight goes to {to}?|What leaves at {time}?|Which flight is at {gate}?|"
                "[status=cancelled]Which flight is not going?|[status=boarding]Which flight is boarding now?|What is the number of the {to} flight?"),
            "to": ("To|Destination", "Where does {flight} go?|Where is the plane at {gate} going?|Where does the {time} fly to?|"
                "[status=cancelled]Which destination is cancelled?|[status=last call]Passengers to which place must hurry now?"),
            "gate": ("Gate|Exit", "Where do I board for {to}?|Which gate for {flight}?|Which gate do I go to for the {time}?|{to} gate?"),
            "terminal": ("Terminal|Term.", "Which terminal for {to}?|Which part of the airport does {flight} leave from?"),
            "status": ("Status|Remarks", "Is the flight to {to} on time?|What is going on with {flight}?|How do things stand with {to}?|"
                "Is {flight} late?"),
            "new": ("Expected|New time", "When does {to} really leave?|When is {flight} expected to go?"),
            "desk": ("Check-in|Desks|Counters", "Where do I check in for {to}?|Where can I leave my suitcase for {flight}?"),
        },
        lacks="How long is the flight to {to}?|What type of plane flies to {to}?|How much luggage can I take to {to}?|What does {flight} cost?",
        sentences="Flight {flight} to {to} leaves at {time} from gate {gate} ({status}).|{time} {flight} {to}: gate {gate}, {status}.",
        notes=[("Gates close [{n} minutes] before departure.", "How long before departure do the gates close?"), ("Lost property: [{phone}]",
            "How do I reach lost property?")],
    ),
    "hotel": dict(
        titles="Rooms|Room list|Our rooms|Occupancy", group="type", rows=hotel, optional="beds guest leaves view", parts={"_last": "guest"},
        columns={
            "room": ("Room|No.|Room no.", "Where is {guest} staying?|In which room is {_last}?|[type=suite]Which room is a suite?|"
                "Which one costs {price}?|[view=sea]Which room looks out on the sea?|[view=garden]Where can I see the garden from?|"
                    "Which room has {beds}?"),
            "type": ("Type|Category|Kind", "What kind of room is {room}?|What sort of room has {_last} got?|Is {room} a single or what?"),
            "price": ("Price ~money|Per night ~money|Rate ~money", "How much is {room}?|What does a night in {room} cost?|"
                "What does {_last} pay a night?"),
            "view": ("View|Looks on", "What do I see from {room}?|What does {_last} see from the window?|What is outside the window of {room}?"),
            "beds": ("Beds|Sleeps in", "What beds are in {room}?|How can people sleep in {room}?"),
            "guest": ("Guest|Taken by|Name", "Who is in {room}?|Who leaves on {leaves}?|Who has number {room}?"),
            "leaves": ("Until|Departure|Leaves", "When does {_last} leave?|When is {room} free again?|How long is {guest} staying, until when?"),
        },
        lacks="Has {room} got a bath?|Are dogs allowed in {room}?|Which floor is the sauna on?|What is the Wi-Fi password for {room}?",
        sentences="Room {room} ({type}, {beds}) looks on the {view} and costs {price}.|"
            "{room}: {type} with {beds}, view of the {view}, {price} a night.",
        notes=[("Breakfast is served until [{clock}].", "Until when can I get breakfast?"), ("Check-out is by [{clock}].",
            "By when must I be out of the room?|When is check-out?"), ("City tax of [{money}] a night is not included.",
                "How much is the city tax?")],
    ),
    "films": dict(
        titles="Programme|Films this week|What's on|Festival programme", group="screen", rows=films, optional="year minutes language age screen",
            parts={"_last": "director"},
        columns={
            "title": ("Film|Title|Movie", "What is on at {start}?|Which film did {director} make?|What has {_last} shot?|"
                "What can I see in {screen}?|Which one is {minutes} long?|Which film dates from {year}?|Which film is in {language}?"),
            "director": ("Director|By|Directed by", "Who made {title}?|Who shot {title}?|Whose film is {title}?"),
            "year": ("Year|Made in|From", "When was {title} made?|How old is {title}, from which year?|When did {_last} shoot it?"),
            "minutes": ("Length ~min|Running time ~min|Minutes", "How long is {title}?|How long do I sit in {title}?|"
                "How long does {_last}'s film last?"),
            "screen": ("Screen|Hall|Where", "Where is {title} on?|Which hall do I go to for {title}?|Where do they show {_last}'s film?"),
            "start": ("Start|Begins|Time", "When does {title} start?|When must I be there for {title}?|What time is {_last}'s film?"),
            "language": ("Language|Original language", "What do they speak in {title}?|Which language is {title} in?"),
            "age": ("Age|Rating|From age", "How old must you be for {title}?|Can I take my kids to {title}, what age is it for?"),
        },
        lacks="Who plays the lead in {title}?|What does a ticket for {title} cost?|Did {title} win a prize?|Who wrote the music for {title}?",
        sentences="{title} by {director} starts at {start}.|At {start} we show {title}, directed by {director}.",
        notes=[("Tickets are [{money}], Mondays half price.", "What does a ticket normally cost?|How much is it to get in?"),
            ("All films have [English subtitles].", "Are there subtitles?")],
    ),
    "spares": dict(
        titles="Spare parts|Parts list|Replacement parts|Exploded view: legend", rows=spares, optional="fits torque ships price",
            parts={"_part": "part"},
        columns={
            "part": ("Part|Designation|Name", "What is number {pos} in the drawing?|What is {no}?|Which part fits the {fits}?|"
                "What has order number {no}?"),
            "no": ("Order no.|Part no.|Art.", "Which number do I order the {_part} under?|I need a new {_part}, what number is it?|"
                "Part number of the {_part}?|What do I order for position {pos}?"),
            "fits": ("Fits|Model|For", "Which model is the {_part} for?|What does {no} fit?|Which machine takes the {_part}?"),
            "price": ("Price ~money|RRP ~money|Net ~money", "What does a new {_part} cost?|How much for the {_part}?|How much is {no}?"),
            "torque": ("Torque ~Nm|Tighten to ~Nm", "How tight does the {_part} go?|How firmly do I screw down the {_part}?"),
            "ships": ("Delivery|Available in|Ships", "When can I get a {_part}?|How long do I wait for {no}?|How soon is the {_part} here?"),
            "pos": ("Pos.|Fig.|Ref.", "Where in the drawing is the {_part}?|Which position is {no}?"),
        },
        lacks="What is the {_part} made of?|How do I take out the {_part}?|How heavy is the {_part}?|How long does a {_part} last?",
        sentences="{pos}: {part}, order number {no}, {price}.|Position {pos} is the {part} ({no}), price {price}.",
        notes=[("Parts marked * should only be fitted by [an electrician].", "Who may fit the parts with a star?"), ("Minimum order: [{money}]",
            "What is the least I can order for?"), ("Old parts can be returned to [{firm}].", "Who takes the old parts back?")],
    ),
    "errors": dict(
        titles="Error codes|Troubleshooting|Messages on the display|If something goes wrong", rows=errors, optional="light beeps",
        columns={
            "code": ("Code|Display|Error", "Which code means {meaning}?|Which message do I get with {meaning}?|"
                "What does the display show if there's the problem '{meaning}'?"),
            "meaning": ("Meaning|Cause|Problem|Fault", "What does {code} mean?|What's wrong when {code} comes up?|What is the trouble with {code}?|"
                "Why does it show {code}?|My machine says {code}, what is it?"),
            "remedy": ("Remedy|What to do|Solution|Action", "What do I do when I see {code}?|How do I get rid of {code}?|How do I fix {code}?|"
                "{code} is shown, what now?|What helps if I have this: {meaning}?"),
            "light": ("Light|LED|Lamp", "What does the lamp do at {code}?|What does the light look like with {code}?"),
            "beeps": ("Beeps|Tones", "How often does it beep at {code}?|How many times does {code} beep?"),
        },
        lacks="What does a repair of {code} cost?|Which spare part do I need for {code}?|How often does {code} come up?",
        sentences="{code} means: {meaning}; {remedy}.|If {code} appears ({meaning}), {remedy}.",
        notes=[("If an error stays, call [{phone}].", "Whom do I call if the error stays?|Which number is customer service?"),
            ("To clear the display hold Reset for [{n} seconds].", "How long must I hold Reset?"), ("The guarantee covers [two years].",
                "How long is the guarantee?")],
    ),
    "hours": dict(
        titles="Opening hours|When are we open?|Places in town|Public facilities", rows=hours, optional="shut entry street phone",
            parts={"_place": "place"},
        columns={
            "place": ("Place|Where|Facility|House", "What can I find at {street}?|Who answers {phone}?|Where does it cost {entry} to get in?"),
            "opens": ("Opens|From|Open from", "When does the {_place} open?|From when can I go to the {_place}?|"
                "How early can I get into the {_place}?"),
            "closes": ("Closes|To|Until|Open until", "How long is the {_place} open?|When does the {_place} shut?|"
                "Until when can I stay at the {_place}?|When do they lock up at the {_place}?"),
            "shut": ("Closed on|Day off|Rest day", "On which day can't I go to the {_place}?|When is the {_place} closed all day?|"
                "Which day is the {_place} shut?"),
            "entry": ("Admission ~money|Entry ~money", "How much is it to get into the {_place}?|What does the {_place} cost?|"
                "What do I pay at the {_place}?"),
            "street": ("Address|Street", "Where is the {_place}?|How do I find the {_place}, which street?"),
            "phone": ("Phone|Tel.", "What is the number of the {_place}?|How do I call the {_place}?"),
        },
        lacks="Are there toilets at the {_place}?|Can I park at the {_place}?|Who runs the {_place}?|Which bus goes to the {_place}?",
        sentences="The {place} is open from {opens} to {closes} and closed on {shut}.|{place}: {opens} to {closes}, never on {shut}.",
        notes=[("On 24 December everything closes at [{clock}].", "When do places close on Christmas Eve?"),
            ("With a town card you get [{n} %] off.", "What discount is there with a town card?")],
    ),
    "nutrition": dict(
        titles="Nutrition facts per 100 g|Nutritional values|What's in our food (per 100 g)", rows=known(FOODS,
            "food kcal protein carbs fat sugar"), fixed=True, parts={"_food": "food"}, optional="sugar carbs protein",
        columns={
            "food": ("Food|Product|Per 100 g", "Which food has {kcal}?|What contains {protein} of protein?|What has {fat} of fat?"),
            "kcal": ("Energy ~kcal|Calories ~kcal", "How many calories are in {_food}?|How much energy is in {_food}?|Calories of {_food}?"),
            "protein": ("Protein ~g|Proteins ~g", "How much protein is in {_food}?|How much protein do I get from {_food}?|Protein in {_food}?"),
            "carbs": ("Carbohydrate ~g|Carbs ~g", "How much carbohydrate is in {_food}?|What about carbs in {_food}?"),
            "fat": ("Fat ~g|Total fat ~g", "How much fat is there in {_food}?|Fat content of {_food}?|Grams of fat in {_food}?"),
            "sugar": ("of which sugars ~g|Sugar ~g", "Is there much sugar in {_food}, how much?|How much sugar is in {_food}?"),
        },
        lacks="How much salt is in {_food}?|How long can I keep {_food}?|Is there gluten in {_food}?|How much iron do I get from {_food}?",
        sentences="{food}: {kcal}, {protein} protein, {carbs} carbohydrate, {fat} fat.|"
            "100 g of {food} have {kcal} with {fat} of fat, {carbs} of carbohydrate and {protein} of protein.",
        notes=[("An adult needs about [2,000 kcal] a day.", "How much energy does an adult need?")],
    ),
    "sensors": dict(
        titles="Readings|Sensor log|Measurements|Monitoring points", rows=sensors, optional="hum battery limit serviced time",
        columns={
            "id": ("Sensor|ID|Probe", "Which sensor is in the {place}?|What hangs in the {place}?|Which probe reported {temp}?|"
                "Which one was read at {time}?"),
            "place": ("Location|Mounted|Where", "Where is {id}?|Where was {temp} measured?|Where was the reading at {time} taken?|"
                "In which spot is {id} fitted?"),
            "temp": ("Temperature ~°C|Reading ~°C|T ~°C", "How warm is it in the {place}?|What does {id} show?|What did {id} measure?|"
                "How many degrees in the {place}?"),
            "hum": ("Humidity ~%|RH ~%", "How damp is it in the {place}?|How humid is it at {id}?|How moist is the air in the {place}?"),
            "time": ("Time|Read at", "When was {id} read?|When was the value in the {place} taken?"),
            "battery": ("Battery ~%|Charge ~%", "How full is the battery of {id}?|How much power is left in {id}?"),
            "limit": ("Alarm above ~°C|Limit ~°C", "When does {id} raise the alarm?|From what temperature is there an alarm in the {place}?"),
            "serviced": ("Calibrated|Last service", "When was {id} last checked?|When was the sensor in the {place} calibrated?"),
        },
        lacks="Who made {id}?|How much did {id} cost?|What was yesterday's value in the {place}?|Which firmware runs on {id}?",
        sentences="{id} in the {place} shows {temp} and {hum} humidity.|{place}: {temp}, {hum} humidity (sensor {id}).",
        notes=[("Values are stored every [{n} minutes].", "How often are values stored?"), ("Alarms go to [{person}].",
            "Who gets the alarms?|Who is told when there is an alarm?")],
    ),
    "rooms": dict(
        titles="Meeting rooms|Rooms to book|Conference rooms|Our rooms", group="floor", rows=rooms, optional="phone kit keeper price floor",
        columns={
            "room": ("Room|Name", "[projector=yes]Which room has a projector?|Where do I find the {kit}?|Which room seats {seats}?|"
                "Who has phone {phone}, which room?|Which room does {keeper} look after?|[floor=basement]Which room is below ground?|"
                    "[floor=annexe]Which room is in the annexe?|Which room comes with the {kit}?|[projector=no]Which room is without a projector?"),
            "seats": ("Seats|Capacity|Places", "How many people fit into {room}?|How big is {room}?|How many can sit in {room}?|"
                "For how many is {room}?"),
            "floor": ("Floor|Where|Level", "Where is {room}?|How far up is {room}?|On what level do I find {room}?"),
            "projector": ("Projector|Beamer", "Is there a projector in {room}?|Can I show slides in {room}?|Has {room} got a projector?"),
            "phone": ("Phone|Ext.", "How do I call {room}?|What's the number of the phone in {room}?"),
            "kit": ("Equipment|Also|Features", "What else is in {room}?|What does {room} offer?|What can I use in {room}?"),
            "keeper": ("Booking|Contact|Key", "Who has the key to {room}?|Whom do I ask for {room}?|Who books {room}?"),
            "price": ("Per hour ~money|Rate ~money", "How much is {room}?|What does an hour in {room} cost?"),
        },
        lacks="Who is in {room} tomorrow at 10?|Are there blinds in {room}?|Can we eat in {room}?|Is there natural light in {room}?",
        sentences="{room} ({floor}) seats {seats}; projector: {projector}.|{room}: {seats} seats, {floor}, projector {projector}.",
        notes=[("Please leave rooms tidy; cleaning costs [{money}].", "What does it cost if I leave a mess?"),
            ("Rooms can be booked up to [{n} weeks] ahead.", "How early can I book?"), ("Coffee is ordered from [{person}].",
                "Who do I order coffee from?")],
    ),
    "court": dict(
        titles="Court list|Today's hearings|Cause list|Hearings", rows=court, ranked=True, optional="witnesses judge about",
            parts={"_last": "parties"},
        columns={
            "time": ("Time|Hour|At", "When is the case of {_last} heard?|When must {_last} be in court?|When is {case} called?|"
                "When does the hearing with {witnesses} witnesses begin?"),
            "case": ("Case|File no.|Docket", "What is the file number of {_last}'s case?|Which case is at {time}?|"
                "Under which number does {_last} run?"),
            "parties": ("Parties|In the matter of", "Who is against whom at {time}?|Who are the parties in {case}?|Who is fighting about {about}?"),
            "about": ("Subject|About|Concerning", "What is {_last}'s case about?|What is it about at {time}?|Why is {_last} in court?|"
                "What is {case} over?"),
            "room": ("Room|Courtroom|Court", "Where does {_last} have to go?|Which room is {case} in?|In which courtroom is the {time} hearing?"),
            "judge": ("Judge|Before", "Who decides on {_last}'s case?|Who sits at {time}?|Who hears {case}?"),
            "witnesses": ("Witnesses|Wit.", "How many people testify in {_last}'s case?|How many witnesses for {case}?"),
        },
        lacks="Who is {_last}'s lawyer?|How did {_last}'s case end?|How much money is {case} about?|Can the public attend {case}?",
        sentences="At {time} in room {room}: {parties} ({case}).|{case}, {parties}, {time}, room {room}.",
        notes=[("Entrance for visitors: [{place} Street].", "Where do visitors come in?"), ("Phones must be [switched off in the courtrooms].",
            "What about my phone?")],
    ),
    "family": dict(
        titles="The family|Family tree|Genealogy|Ancestors", rows=family, optional="job children where spouse died", parts={"_first": "name"},
        columns={
            "name": ("Name|Person|Who", "Who was married to {spouse}?|Who was born in {born}?|Whom did {spouse} marry?|Who came from {where}?|"
                "Who died in {died}?"),
            "born": ("Born|*|Birth", "When was {name} born?|What year did {_first} come into the world?|Which year is {_first} from?"),
            "died": ("Died|†|Death", "When did {name} die?|Until when did {_first} live?|When was {_first} buried, in which year?"),
            "where": ("Birthplace|Place|From", "Where was {_first} born?|Where did {name} come from?|What place is {_first} from?"),
            "spouse": ("Married to|Spouse|Husband/wife", "Whom did {_first} marry?|Who was {name}'s husband or wife?|Who was {_first} married to?"),
            "job": ("Trade|Occupation|Profession", "What did {_first} do for a living?|How did {name} earn money?|What was {_first}'s work?"),
            "children": ("Children|Ch.", "How many children did {_first} have?|How many sons and daughters had {name}?"),
        },
        lacks="What did {_first} die of?|Where is {_first} buried?|Who were {_first}'s parents?|When did {_first} marry?",
        sentences="{name}, born {born} in {where}, died {died}; married {spouse}.|{name} ({born} to {died}) came from {where} and married {spouse}.",
        notes=[("The parish books of [{place}] were lost in a fire.", "Which records burned?|Whose parish books are lost?")],
    ),
    "courses": dict(
        titles="Evening classes|Courses this term|Programme|Adult education", group="day", rows=courses, optional="no places begins room fee",
            parts={"_c": "course"},
        columns={
            "course": ("Course|Class|Title", "What does {teacher} teach?|What can I learn in {room}?|What is number {no}?|Which class costs {fee}?|"
                "What begins on {begins}?|Which course is on {day} at {time}?"),
            "teacher": ("Teacher|Tutor|With|Led by", "Who teaches {_c}?|Who gives the {_c} class?|Whose course is {no}?|With whom do I learn {_c}?"),
            "day": ("Day|Weekday|On", "On which day is {_c}?|Which evening do I need free for {_c}?|When in the week does {teacher} teach?|"
                "What day is {no}?"),
            "time": ("Time|Starts|At", "What time does {_c} start?|What time must I be there for {_c}?|At what time of day does {teacher} begin?"),
            "room": ("Room|Where|Place", "Where is the {_c} class?|Where do I go for {_c}?|Where does {teacher} teach?"),
            "fee": ("Fee ~money|Price ~money|Costs ~money", "What do I pay for {_c}?|How much is the {_c} course?|What does {no} cost?"),
            "places": ("Places|Max.|Group", "How many can take part in {_c}?|How large is the group in {_c}?"),
            "begins": ("First date|Begins|From", "From what date does {_c} run?|When is the first evening of {_c}?"),
            "no": ("No.|Course no.", "Which number do I write on the form for {_c}?|What's the number of {teacher}'s course?"),
        },
        lacks="What do I bring to {_c}?|Is there a certificate for {_c}?|How many people have signed up for {_c}?|Is {_c} suitable for children?",
        sentences="{course} with {teacher} is on {day} at {time}.|Every {day} at {time} {teacher} teaches {course}.",
        notes=[("You can enrol until [{date}].", "Until when can I sign up?|What is the last day to enrol?"), ("Pensioners pay [{n} %] less.",
            "What do pensioners save?"), ("There are no classes in the week of [{date}].", "In which week is there no class?")],
    ),
    "servers": dict(
        titles="Servers|Server inventory|Machines|Hosts", group="os", rows=servers, optional="rack admin bought ram os",
        columns={
            "host": ("Host|Hostname|Name|Server", "Where does the {role} run?|Which machine is {ip}?|What is in rack {rack}?|"
                "Which box is {admin} in charge of?|Which server has the {role}?|On which host is the {role}?"),
            "ip": ("IP|Address|IP address", "Where can I ping {host}?|Under which address is the {role}?|What's {host}'s IP?|"
                "Which address do I connect to for the {role}?"),
            "role": ("Role|Purpose|Service|Used for", "What is {host} for?|What runs on {host}?|What does {ip} do?|"
                "What goes down if I switch off {host}?"),
            "os": ("OS|System|Operating system", "What is installed on {host}?|Which system does {host} run?|What does the {role} run on?"),
            "ram": ("RAM ~GB|Memory ~GB", "How much memory has {host}?|How much RAM is in {host}?|How much memory does the {role} have?"),
            "rack": ("Rack|Slot|Position", "Where is {host} mounted?|Where do I find {host} in the server room?|Which rack is the {role} in?"),
            "admin": ("Admin|Owner|Responsible", "Who looks after {host}?|Whom do I call when the {role} is down?|Who runs {host}?"),
            "bought": ("Bought|In service since|Year", "How old is {host}, bought when?|Since when do we have {host}?"),
        },
        lacks="When was {host} last backed up?|What is the root password of {host}?|How many disks are in {host}?|When was {host} rebooted?",
        sentences="{host} ({ip}) runs the {role} on {os}.|The {role} is on {host}, address {ip}, under {os}.",
        notes=[("Maintenance is on [{weekday}s] after 22:00.", "Which day is maintenance?|When do they do maintenance?"),
            ("The server room key is kept by [{person}].", "Who has the key to the server room?")],
    ),
}  # fmt: skip
