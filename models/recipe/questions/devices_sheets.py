"""Instructions that are not about one device: how-tos, safety sheets, rules, assembly, recipes, first aid, explanations."""

import devices_bank as bank
import devices_texts as texts
from devices_book import Book, upper


def sheet(rng, words):
    """A how-to, a safety sheet, rules or a data sheet out of the bank's statements, under headings or on end; of two subjects at times."""
    b = Book(rng, words)
    b.start()
    titles, drawn, facts = bank.SHEETS[rng.choice(list(bank.SHEETS))]
    key = next(iter(drawn))
    subjects = rng.sample(drawn[key], rng.choice((1, 1, 1, 2, 2, 2, 2, 3)))
    many, headed = len(subjects) > 1, rng.random() < 0.75
    title, hints = rng.choice(titles), rng.choice(("{S}: {q}", "{s} - {q}", "For {s}: {q}", "{q} ({s})"))
    for subject in subjects:
        b.env = {key: subject} | {k: rng.choice(v) for k, v in drawn.items() if k != key}

        def of(forms):
            """The questions, with the subject named if there are two."""
            name = f"the {subject}" if key == "furniture" else subject
            return tuple(f if f"{{{key}}}" in f or not many else hints.format(S=upper(name), s=name, q=f) for f in forms)

        env, groups = b.env_of(), {}
        if many:
            b.heading(b.fill(title, env) if "{" + key + "}" in title.lower() and "\n" not in title and b.style != ":" else upper(subject))
        else:
            b.add(b.fill(title, env))
        chosen = sorted(rng.sample(range(len(facts)), rng.randint(5 if many else 9, len(facts))))
        for i in chosen:
            heading, statements, questions = facts[i]
            groups.setdefault(heading, []).append(b.say(rng.choice(statements), {m: of(q) for m, q in questions.items()}))
        for i, (_, _, questions) in enumerate(facts):
            if i not in chosen:
                b.vain += [(of(forms), b.env_of()) for forms in list(questions.values())[:1]]
        groups = list(groups.items())
        if rng.random() < 0.4:
            rng.shuffle(groups)
        if headed:
            for heading, items in groups:
                b.add(f"{heading}:") if many else b.heading(heading)
                b.add(b.listed(items) if len(items) > 1 else items[0])
        else:
            b.add(b.listed([x for _, items in groups for x in items]))
        if rng.random() < 0.4:
            b.add(" ".join(rng.sample(texts.FILLERS[:12], 2)))
    return b.finish("device")


def process(rng, words):
    """One or two explanations of a process out of a school-book."""
    b = Book(rng, words)
    b.start()
    for title, facts in rng.sample(texts.PROCESSES, rng.choice((2, 2, 3))):
        b.heading(title)
        told = [b.say(statement, questions) for statement, questions in facts]
        b.add("\n".join(f"{i}. {x}" for i, x in enumerate(told, 1)) if rng.random() < 0.3 else " ".join(told))
    for title, facts in texts.PROCESSES:
        if title not in "\n".join(b.lines) and title.upper() not in "\n".join(b.lines) and rng.random() < 0.4:
            questions = rng.choice(facts)[1]
            b.vain.append((questions["a"], b.env_of()))
    return b.finish("device")


def first_aid(rng, words):
    """What to do, and not to do, in several cases."""
    b = Book(rng, words)
    b.start()
    b.add(
        b.fill(
            rng.choice(
                (
                    "First aid at {place_}",
                    "FIRST AID – what to do until help comes",
                    "Emergency card for {place_}",
                    "Small injuries: a guide for {place_}",
                )
            ),
            b.env_of(place_=rng.choice(texts.AID_PLACES)),
        )
    )
    cases = rng.sample(texts.AID, rng.randint(3, 7))
    for what, do, dont, doctor, why in cases:
        env = b.env_of(what=what, dont=dont, doctor=doctor)
        questions = {
            "a": (
                "What do I do in the case of {what}?",
                "What helps with {what}?",
                "Someone has {what}, what now?" if what[:2] in ("a ", "an") else "First aid for {what}?",
                "how to treat {what}",
            ),
            "b": ("What must I not do in the case of {what}?", "What should be avoided with {what}?", "what is wrong to do for {what}"),
            "c": (
                "When do I need a doctor for {what}?",
                "{What}: when is it serious enough for a doctor?",
                "With {what}, when should I call for help?",
            ),
            "d": ("Why should I not {dont}?", "What is bad about it if I {dont}?", "Why is it wrong to {dont}?"),
        }
        forms = (
            f"<a|{do}>. Do not <b|{dont}>: <d|{why}>. See a doctor if <c|{doctor}>.",
            f"<a|{do}>. Call for medical help when <c|{doctor}>. Never <b|{dont}>, because <d|{why}>.",
            f"Right: <a|{do}>.\nWrong: <b|{dont}> (<d|{why}>).\nDoctor: if <c|{doctor}>.",
            f"Many people <b|{dont}>, which is wrong, since <d|{why}>. Better: <a|{do}>. If <c|{doctor}>, a doctor is needed.",
        )
        b.heading(upper(what))
        b.add((f"{upper(what)}: " if b.style == "" and rng.random() < 0.5 else "") + b.say(rng.choice(forms), questions, env))
    if rng.random() < 0.8:
        b.heading(rng.choice(("Numbers and people", "Contacts", "Whom to call", "Help in the house")))
        b.add(
            b.say(
                rng.choice(
                    (
                        "First-aider: <a|{person}>, ext. <b|{ext_}>. The first-aid box hangs <c|{boxplace}> and is checked <d|{often}>.",
                        "<a|{person}> (extension <b|{ext_}>) is trained in first aid. You find the box <c|{boxplace}>; its contents are looked through <d|{often}>.",
                    )
                ),
                {
                    "a": ("Who is the first-aider?", "Who is trained in first aid?"),
                    "b": ("What extension do I call for first aid?", "How do I reach the first-aider by phone?"),
                    "c": ("Where is the first-aid box?", "Where do I find plasters and bandages?"),
                    "d": ("How often is the box checked?",),
                },
                b.env_of(
                    ext_=rng.randint(100, 999),
                    boxplace=rng.choice(
                        ("beside the lift", "in the tea kitchen", "behind the reception desk", "next to the main exit", "in the workshop")
                    ),
                ),
            )
        )
    for what, *_ in texts.AID:
        if what not in [c[0] for c in cases] and rng.random() < 0.3:
            b.vain.append(
                (("What helps with {what}?", "What do I do in the case of {what}?", "When do I need a doctor for {what}?"), b.env_of(what=what))
            )
    return b.finish("device")


def recipe(rng, words):
    """Ingredients, steps with times and heat, swaps, storage; now and then two recipes on one sheet."""
    b = Book(rng, words)
    b.start()
    dishes = rng.sample(texts.DISHES, 1 if rng.random() < 0.55 else 2)
    for dish, vessel, ingredients in dishes:
        name = rng.choice(
            (
                f"{rng.choice(bank.FIRST_NAMES)}'s {dish}",
                f"{rng.choice(words).capitalize()} {dish}",
                f"{rng.choice(('Quick', 'Winter', 'Sunday', 'Country', 'Spicy', 'Farmhouse', 'Festive'))} {dish}",
            )
        )
        of = f"the {dish}"

        def span(text, *forms, **more):
            env = b.env_of(of=of, dish=dish, **more)
            return b.span(b.fill(text, env), forms, env)

        chosen = rng.sample(ingredients.split(), rng.randint(5, 8))
        head = [name if b.style != "A" else name.upper()]
        if rng.random() < 0.8:
            serves = span(
                str(rng.randint(2, 12)), "How many people is {of} for?", "How many servings of {of} do I get?", "number of portions of {of}"
            )
            head.append(rng.choice(("Serves {}", "For {} people", "Makes {} portions")).format(serves))
        if rng.random() < 0.6:
            head.append("Preparation: " + span("{minutes}", "How long does it take to prepare {of}?", "What is the preparation time of {of}?"))
        lines, names = [], []
        for item in chosen:
            what, unit, low, high = item.split(":")
            what = what.replace("-", " ")
            n = rng.randint(int(low), int(high)) if int(high) < 20 else rng.randrange(int(low), int(high) + 1, 10)
            what = what[:-1] if n == 1 and not unit else what
            many = (
                "How many {what} go into {of}?"
                if not unit
                else "How much {what} goes into {of}?"
                if what[-1] != "s"
                else "What amount of {what} goes into {of}?"
            )
            if not unit and n == 1:
                many = "How many {what}s go into {of}?"
            size = f"{n} {unit}".strip() if unit != "g" or rng.random() < 0.8 else f"{n} grams"
            lines.append((span(size, many, many, "{What} for {of} - what amount?", "What quantity of {what} does {of} need?", what=what), what))
            names.append(what)
        others = {w.split(":")[0].replace("-", " ") for d in dishes for w in d[2].split()}
        for absent in ("saffron", "mustard", "rosemary", "vinegar", "maize", "coriander"):
            if absent not in others:
                b.vain.append((("How much {what} goes into {of}?", "What quantity of {what} does {of} need?"), b.env_of(what=absent, of=of)))
        form = rng.choice(("- {} {w}", "{} {w}", "* {} {w}", "{w}: {}", "{w}, {}"))
        b.add("\n".join(head))
        b.add(
            rng.choice(("Ingredients", "You need:", "What goes in", "Shopping list"))
            + "\n"
            + ("\n".join(form.format(x, w=w) for x, w in lines) if rng.random() < 0.75 else ", ".join(f"{x} {w}" for x, w in lines))
        )
        first, second, third = rng.sample(names, 3)
        heat = "Heat the oven" if dish in ("cake", "bread", "pie", "shortbread", "gratin") else "Heat the {vessel}"
        dry = heat.endswith("oven")
        hot = span(
            "{hot}" if dry else f"{rng.randint(80, 120)} °C",
            "How hot must it be for {of}?",
            "At what temperature is {of} cooked?",
            "Which heat does {of} need?",
        )
        long = span("{minutes}", "How long does {of} cook?", "How long does {of} stay on the heat or in the oven?", "cooking time of {of}")
        rest = span("{minutes2}", "How long does {of} rest?", "How long must {of} stand before it is served?")
        sign = span(
            rng.choice(
                ("a wooden stick comes out clean", "the surface is golden brown", "it smells nutty", "the edges come away from the side")
                if dry
                else ("a fork goes in easily", "it coats the spoon", "the oil rises to the top", "everything is soft")
            ),
            "How do I know that {of} is done?",
            "When is {of} ready? What is the sign?",
        )
        steps = [
            rng.choice((f"{heat} to {hot}.", f"{heat} to {hot} while you prepare the rest.")).replace("{vessel}", vessel),
            rng.choice(
                (
                    f"Mix the {first} with the {second}.",
                    f"Put the {first} and the {second} into a bowl and stir.",
                    f"Stir the {second} into the {first}.",
                )
            ),
            f"Add the {third} "
            + span(
                rng.choice(("little by little", "all at once", "at the very end", "through a sieve", "in two portions")),
                "How is the {third} added to {of}?",
                "In which way do I put in the {third} for {of}?",
                third=third,
            )
            + ".",
            rng.choice(
                (
                    f"Cook or bake everything for {long}, until {sign}.",
                    f"It takes {long}; it is done when {sign}.",
                    f"After {long}, check: {sign}? Then it is ready.",
                )
            ),
            rng.choice(
                (f"Let it rest for {rest} before serving.", f"Allow {rest} of resting time.", f"Do not serve it at once: it has to stand for {rest}.")
            ),
        ]
        if rng.random() < 0.3:
            steps.insert(2, "Wash up the bowls while you wait.")
        b.add("\n".join(f"{i}. {x}" for i, x in enumerate(steps, 1)) if rng.random() < 0.6 else " ".join(steps))
        notes = []
        for w in names:
            if w in texts.SWAPS and (w not in ("eggs",) or dry) and rng.random() < 0.7:
                swap = span(
                    rng.choice(texts.SWAPS[w]),
                    "What can I use instead of {what} in {of}?",
                    "I have no {what} for {of}. What else works?",
                    "substitute for {what} in {of}",
                    what=w,
                )
                notes.append(
                    rng.choice((f"Instead of {w}, {swap} will do.", f"No {w} in the house? Take {swap}.", f"{upper(w)} can be replaced by {swap}."))
                )
        keep = span("{days}", "How long does {of} keep?", "How many days can I store {of}?")
        where = span(
            rng.choice(
                ("in a tin", "in a cool larder", "wrapped in a cloth", "in a paper bag")
                if dry
                else ("in the refrigerator", "in a covered bowl", "in a closed jar", "in a cold cellar")
            ),
            "Where do I keep {of}?",
            "How is {of} stored?",
        )
        notes.append(rng.choice((f"It keeps for {keep} {where}.", f"Stored {where}, it is good for {keep}.")))
        if rng.random() < 0.5:
            no = span(
                rng.choice(("does not freeze well", "should not be frozen", "may be frozen for up to {months}", "freezes well in portions")),
                "Can I freeze {of}?",
                "Is {of} suitable for the freezer?",
            )
            notes.append(f"The {dish} {no}.")
        if rng.random() < 0.5:
            kcal = span(f"{rng.randrange(180, 900, 10)} kcal", "How many calories does a portion of {of} have?", "calories of {of}")
            notes.append(f"One portion has {kcal}.")
        if rng.random() < 0.5:
            serve = span(
                rng.choice(("a green salad", "whipped cream", "toasted bread", "a spoonful of plum jam", "pickled gherkins", "a glass of cider")),
                "What is served with {of}?",
                "What goes well with {of}?",
            )
            notes.append(rng.choice((f"Serve with {serve}.", f"Goes well with {serve}.")))
        rng.shuffle(notes)
        b.add(b.listed(notes))
    return b.finish("device")
