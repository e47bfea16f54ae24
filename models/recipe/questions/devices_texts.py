"""Texts for devices.py beside statements: titles, headings, explanations, first aid, dishes, sentences that fill."""

# fmt: off
# Explanations of causes and effects: title, statements in their order
PROCESSES = (
    ("How bread rises", (
        ("Yeast feeds on <a|the sugar in the flour> and gives off <b|carbon dioxide>.", {"a": ("What does yeast live on?", "What does the yeast eat?"), "b": ("Which gas does yeast produce?", "What gas makes the bubbles?")}),
        ("The gas stays in the dough because <a|gluten forms an elastic net> when flour and water are kneaded.", {"a": ("Why does the gas not escape from the dough?", "What keeps the gas in?")}),
        ("Dough rises best at <a|about 30 °C>; above 45 °C <b|the yeast dies>, and in the cold it works slowly.", {"a": ("At what temperature does dough rise best?",), "b": ("What happens if the dough gets too hot?", "Why shouldn't the dough be warmer than 45 degrees?")}),
        ("In the oven, bubbles grow first; later <a|starch sets and proteins harden>, and the loaf keeps its shape.", {"a": ("Why does the loaf keep its shape?", "What makes the loaf firm?")}),
        ("The brown crust is the result of <a|sugars reacting with proteins> at the hot surface.", {"a": ("Why is the crust brown?", "Where does the colour of the crust come from?")}),
    )),
    ("The water cycle", (
        ("Driven by <a|the heat of the sun>, water evaporates from <b|seas, lakes and wet ground>.", {"a": ("What drives the water cycle?", "Where does the energy for evaporation come from?"), "b": ("Where does the water evaporate from?",)}),
        ("Rising air <a|expands and cools>, and vapour turns into tiny drops around <b|grains of dust>.", {"a": ("What happens to air when it rises?",), "b": ("What do the drops form around?", "Why is dust needed for clouds?")}),
        ("Rain falls as soon as <a|the drops are too heavy to float>.", {"a": ("When does it rain?", "Why do drops fall out of a cloud?")}),
        ("Part of the rain <a|seeps into the ground> and feeds springs; the rest runs off in rivers.", {"a": ("How do springs get their water?", "What happens to the rain that does not run off?")}),
        ("Plants take part as well: they give off water <a|through their leaves>.", {"a": ("How do plants give water back to the air?",)}),
    )),
    ("How a four-stroke engine works", (
        ("In the first stroke the piston goes down and <a|draws in fuel and air> through <b|the open inlet valve>.", {"a": ("What happens in the first stroke?",), "b": ("How does the mixture get into the cylinder?", "Which valve is open during the first stroke?")}),
        ("In the second stroke <a|the mixture is compressed>, which makes it <b|hot>.", {"a": ("What happens in the second stroke?",)}),
        ("The third stroke, the only one that does work, begins when <a|the spark plug ignites the mixture>.", {"a": ("What starts the third stroke?", "What sets off the working stroke?")}),
        ("During the fourth, the piston <a|pushes the burnt gas out>.", {"a": ("What does the piston do in the fourth stroke?", "What happens in the fourth stroke?")}),
        ("<a|A heavy flywheel> carries the piston through the strokes that give no power.", {"a": ("What keeps the engine turning between the working strokes?", "Which part carries the piston over the idle strokes?")}),
    )),
    ("Why iron rusts", (
        ("Rust needs two things besides iron: <a|water and oxygen>.", {"a": ("What does rust need to form?", "What makes iron rust?")}),
        ("Salt speeds it up since <a|salty water conducts electricity better>.", {"a": ("Why do things rust faster by the sea?", "Why is salt bad for cars?")}),
        ("Rust does not protect the metal below: <a|it is porous and flakes off>.", {"a": ("Why does a layer of rust not stop more rusting?",)}),
        ("Zinc is used as a coat because <a|it corrodes before the iron does>, even where the coat is scratched.", {"a": ("Why is iron coated with zinc?", "How does zinc protect a scratched surface?")}),
        ("Stainless steel contains <a|at least 10.5 % chromium>, which forms <b|a thin, dense layer of oxide>.", {"a": ("How much chromium is in stainless steel?",), "b": ("What protects stainless steel?", "What does the chromium form?")}),
    )),
    ("How leaves make food", (
        ("Leaves take in <a|carbon dioxide> through tiny pores on <b|their underside>; roots supply water.", {"a": ("Which gas do leaves take in?",), "b": ("Where are the pores of a leaf?",)}),
        ("The green pigment <a|chlorophyll> catches light and <b|splits the water>.", {"a": ("What is the green stuff in leaves called?", "What catches the light?"), "b": ("What is the light used for?",)}),
        ("The products are <a|sugar>, on which the plant lives, and <b|oxygen>, which escapes.", {"a": ("What does the plant live on?", "Which food does the leaf make?"), "b": ("What gas do leaves give off?",)}),
        ("At night the process stops, because <a|there is no light>.", {"a": ("Why does it stop at night?",)}),
        ("In autumn the green fades as <a|the tree withdraws the pigment into its trunk>; yellow dyes remain.", {"a": ("Why do leaves lose their green in autumn?",)}),
    )),
    ("Thunder and lightning", (
        ("Inside a storm cloud <a|grains of ice rub against each other>, and charges are separated.", {"a": ("How does a cloud become charged?", "What causes the charge in the cloud?")}),
        ("The negative charge gathers <a|at the bottom of the cloud>.", {"a": ("Where does the negative charge collect?",)}),
        ("The flash heats the air to <a|about 30,000 °C>; it <b|expands like an explosion>, and that is the thunder.", {"a": ("How hot is a lightning bolt?",), "b": ("Why does it thunder?", "What makes the noise?")}),
        ("We see it before we hear it, as <a|light travels far faster than sound>.", {"a": ("Why do we see the flash before the thunder?",)}),
        ("Count the seconds: <a|three of them> stand for one kilometre.", {"a": ("How many seconds stand for one kilometre?", "How many seconds between flash and thunder mean one kilometre?")}),
        ("In the open, <a|crouch down with your feet together>; <b|a tall tree is the worst place>.", {"a": ("What should I do in the open in a thunderstorm?",), "b": ("Should I stand under a tall tree?",)}),
    )),
    ("How cheese is made", (
        ("Milk is first warmed to <a|32 °C> and mixed with <b|lactic bacteria>.", {"a": ("How warm must the milk be?",), "b": ("What is added to the milk first?",)}),
        ("Rennet, an enzyme from <a|the stomachs of calves>, makes it set within <b|40 minutes>.", {"a": ("Where does rennet come from?",), "b": ("How long does it take to set?",)}),
        ("The curd is cut: <a|the smaller the pieces, the harder the cheese>, for <b|more whey runs out>.", {"a": ("How does cutting decide on the hardness?",), "b": ("Why do small pieces give hard cheese?",)}),
        ("A bath in <a|salt water> follows, which <b|forms a rind and keeps mould away>.", {"a": ("What is the cheese bathed in?",), "b": ("What is the salt bath for?", "Why is the cheese put in brine?")}),
        ("Holes arise when bacteria <a|give off gas during ripening>.", {"a": ("Why are there holes in cheese?",)}),
    )),
    ("How a refrigerator cools", (
        ("A liquid evaporates in thin pipes inside and <a|takes heat from the food>.", {"a": ("What does the evaporating liquid do?", "How is the food cooled?")}),
        ("The compressor <a|sucks in the vapour and squeezes it>, so that it <b|becomes hot>.", {"a": ("What does the compressor do?",), "b": ("What does squeezing do to the vapour?",)}),
        ("In the coils <a|at the back> it gives its heat to the room and <b|turns liquid again>.", {"a": ("Where is the heat given off?",), "b": ("What happens to the vapour in the coils?",)}),
        ("A narrow tube then <a|lowers the pressure>, and all begins anew.", {"a": ("What is the narrow tube for?",)}),
        ("An open door cannot cool the kitchen, since <a|more heat comes out at the back than is taken in>.", {"a": ("Can I cool the kitchen with an open fridge?", "Why doesn't an open fridge cool the room?")}),
    )),
)

AID = (
    ("a burn", "Cool the burn under running water for {short}", "put butter or ice on it", "it is larger than your palm", "heat stays in the deeper skin"), ("a nosebleed", "Lean forward and pinch the nose for {short}", "tilt the head back", "it lasts longer than half an hour", "blood would run into the stomach"),
    ("a sprained ankle", "Raise the leg and cool it for {short}", "massage the joint", "the foot cannot bear weight", "rubbing makes the swelling worse"), ("a bee sting", "Scrape the sting out sideways and cool the place for {short}", "squeeze the sting with your fingers", "the face swells", "this presses more poison in"),
    ("fainting", "Lay the person flat and raise the legs for {short}", "give anything to drink", "he or she is not awake after one minute", "the person might choke"), ("a deep cut", "Press a clean cloth on it for {short}", "pull out objects that stick in it", "the bleeding does not stop", "they may be closing a blood vessel"),
    ("frostbite", "Warm it slowly in lukewarm water for {short}", "rub it with snow", "blisters form", "frozen tissue is easily torn"), ("sunstroke", "Bring the person into the shade and cool the neck for {short}", "offer cold beer or wine", "the neck becomes stiff", "alcohol widens the vessels"),
    ("a tick bite", "Pull the tick out straight and watch the place for {fewweeks}", "drip oil on the tick", "a red ring appears", "it would give off more germs"), ("choking", "Give five firm blows between the shoulder blades", "reach blindly into the throat", "breathing is not free after five blows", "the piece could be pushed deeper"),
    ("an electric shock", "Cut the current at the fuse first", "touch the person while the current is on", "the heartbeat is irregular", "the current would flow through you"), ("an asthma attack", "Sit the person upright with the arms propped up", "lay the person down", "the spray has no effect after {short}", "lying makes breathing harder"),
)

AID_PLACES = ("work", "school", "the youth camp", "the sports club", "home", "the allotment", "the climbing hall")
DISHES = (
    ("cake", "cm tin", "flour:g:200:400 sugar:g:80:220 butter:g:90:250 eggs::2:6 milk:ml:50:250 baking-powder:tsp:1:3 ground-almonds:g:50:150 lemon-juice:tbsp:1:4 cocoa:tbsp:1:4 raisins:g:40:150"),
    ("soup", "pot", "onions::1:4 carrots::2:6 stock:ml:600:1500 lentils:g:150:400 cream:ml:50:250 olive-oil:tbsp:1:4 cumin:tsp:1:2 potatoes::2:6 tomato-paste:tbsp:1:4 celery:sticks:1:4"),
    ("bread", "loaf tin", "rye-flour:g:200:500 wheat-flour:g:200:600 water:ml:250:500 yeast:g:5:40 salt:tsp:1:3 caraway:tsp:1:2 honey:tsp:1:3 sunflower-seeds:g:40:120 sourdough:g:60:200"),
    ("stew", "casserole", "beef:g:400:1200 onions::1:5 red-wine:ml:100:500 mushrooms:g:100:400 paprika:tsp:1:4 garlic:cloves:1:6 beans:g:150:500 bacon:g:50:200 stock:ml:300:900 peppers::1:4"),
    ("pie", "pie dish", "flour:g:200:400 butter:g:90:220 apples::3:9 sugar:g:50:180 cinnamon:tsp:1:2 walnuts:g:40:150 eggs::1:4 cream:ml:50:200 semolina:tbsp:1:4"),
    ("curry", "wok", "chickpeas:g:200:500 coconut-milk:ml:200:600 rice:g:150:400 spinach:g:100:400 ginger:cm:1:5 onions::1:3 curry-paste:tbsp:1:4 limes::1:3 peanuts:g:30:120 chicken:g:300:800"),
    ("shortbread", "baking sheet", "oats:g:100:300 flour:g:100:300 butter:g:80:250 brown-sugar:g:60:200 eggs::1:3 chocolate:g:50:200 salt:tsp:1:2 hazelnuts:g:40:150 vanilla-sugar:tsp:1:3"),
    ("gratin", "gratin dish", "potatoes:g:500:1500 cheese:g:80:300 cream:ml:100:400 milk:ml:100:400 nutmeg:tsp:1:2 leeks::1:4 ham:g:80:250 breadcrumbs:tbsp:1:5 butter:g:20:80"),
)
SWAPS = {
    "butter": ("margarine", "coconut oil"), "cream": ("oat cream", "yoghurt"), "milk": ("almond drink", "buttermilk"), "eggs": ("apple sauce", "soaked linseed"), "sugar": ("maple syrup", "dates"), "red wine": ("grape juice", "more stock"),
    "walnuts": ("pecans", "pumpkin seeds"), "bacon": ("smoked tofu", "ham"), "flour": ("spelt flour", "a gluten-free mix"), "honey": ("malt extract", "sugar beet syrup"), "yeast": ("dry yeast, one sachet", "more sourdough"), "spinach": ("kale", "chard"),
    "chicken": ("paneer", "prawns"), "cheese": ("a vegan substitute", "crumbled feta"), "stock": ("water and soy sauce", "vegetable juice"), "peanuts": ("cashews", "sesame"), "beef": ("lamb", "jackfruit"), "chocolate": ("dried cherries", "carob"),
}

INTROS = (
    "Thank you for choosing the {maker} {model}. It is made for <a|{use}>. Please read these pages before you switch it on, and keep them.",
    "Intended use: <a|{use}>. Any other use counts as improper.", "With the {model} you have bought a {device} of high quality. Hand this booklet on together with it.",
    "This {device} serves for <a|{use}> and nothing else.", "Please note that pictures may differ from the device delivered.",
    "Congratulations on your new {device}! A few minutes with this guide will save you trouble later.",
)

LEADS = ("Please note: ", "Important: ", "Note: ", "Tip: ", "Caution! ", "N.B. ", "Remember: ", "Good to know: ")
# Sentences that tell nothing that is asked for; the first dozen fits any sheet.
FILLERS = (
    "Take your time and read everything before you begin.", "The following points are the result of many years of experience.", "If something is unclear, ask somebody who has done it before.",
    "Keep this sheet where everybody can find it.", "A little care at the beginning saves much trouble later.", "Nobody is perfect at the first attempt.", "The pictures are examples and may differ in detail.",
    "We have tried to keep this text short.", "Read it aloud if several people take part.", "Most mistakes are made in a hurry.", "What is said here holds for normal conditions.", "Suggestions for the next edition are welcome.",
    "The {device} has left our works in perfect condition.", "Many of these hints may seem obvious to you; they are given all the same.", "Improper handling is the most frequent cause of complaints.", "The details depend on the version that you have bought.",
    "All functions have been tested with care.", "Technical changes are reserved.", "Pass these pages on to every user of the {device}.", "With some practice you will do all this without thinking.", "Symbols on the housing have the same meaning as in this booklet.",
    "Should your {device} differ from the description, the supplement applies.", "Do not be put off by the number of pages.", "This chapter is meant for everyone who handles the {device}.", "You need no special knowledge for what follows.",
)

ALL_TITLES = (
    "{maker} {model} {Device}\nInstructions for use", "Operating manual\n{Device} {maker} {model}", "{MAKER} {model} – {Device}: user guide", "USER MANUAL\n{maker} {model}\nfor {use}",
    "# {maker} {model}\nQuick guide to your new {device}", "{Device} {model} by {maker}\nOwner's handbook", "Read me first! {maker} {model} ({device})", "Instruction sheet: {maker} {device}, type {model}",
    "Original instructions\n{maker} {model}\n{Device} for {use}",
)

HEADINGS = {
    "safety": ("Safety", "Important safety notes", "For your safety", "Warnings", "Please read first", "Safety instructions"),
    "setup": ("Getting started", "Installation", "Before first use", "Setting up", "Putting into service", "First steps"),
    "use": ("Operation", "Using the {device}", "Everyday use", "How to use it", "Controls and functions", "Daily operation"),
    "care": ("Cleaning and care", "Maintenance", "Looking after your {device}", "Care", "Upkeep and cleaning"),
    "service": ("Warranty and service", "Customer service", "Guarantee", "Help and service", "After-sales service and disposal", "If you need us"),
    "parts": ("Parts", "What is what", "Description of the {device}", "Overview", "Parts and controls", "Components"),
    "steps": ("Step by step", "In a few steps", "Quick start", "Procedure", "How to begin"),
    "lights": ("Indicator lights", "What the lights mean", "Status LED", "Signals", "Display and lamps"),
    "beeps": ("Sounds", "Acoustic signals", "Beeps", "What the beeps mean"),
    "codes": ("Error codes", "Fault messages", "Messages on the display", "Error table"),
    "faults": ("Troubleshooting", "If something does not work", "Faults and remedies", "Problems and solutions", "Help with problems"),
    "data": ("Technical data", "Specifications", "Data sheet", "Technical details"),
    "intervals": ("Maintenance schedule", "Service intervals", "Maintenance plan", "What to do when"),
    "box": ("In the box", "Scope of delivery", "Contents of the package", "What you get"),
    "buttons": ("Keys", "Button functions", "Control panel", "What the buttons do"),
    "programs": ("Programmes", "Programme table", "Choosing a programme", "Settings"),
}
