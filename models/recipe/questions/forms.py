"""Questions as people type them."""

import re

ORDERS = ["Tell me {q}", "Say {q}", "I want to know {q}", "Find out {q}", "Please tell me {q}", "Can you tell me {q}?", "Does it say {q}?"]
GIVE = ["Give {q}", "Name {q}", "Find {q}", "Show me {q}", "State {q}", "Look up {q}", "{q}", "{q}?"]
PLAIN = re.compile(r"What (?:is|are|was|were) (?=the |its |a )", re.I)


def command(rng, text):
    """'What is the price of X?' → 'Give the price of X', 'price of X'; 'Who owns X?' → 'Tell me who owns X'."""
    bare = text.rstrip("? ")
    m = PLAIN.match(bare)
    if m and not re.search(r" (called|named|known|made|used)$", bare):
        rest = bare[m.end() :]
        if rng.random() < 0.3:
            rest = re.sub(r"^(the|a|its) ", "", rest)
        return rng.choice(GIVE).format(q=rest)
    # "Who owns X" may follow as it is; "When does X open" would need another order of words, which people do not bother about in search.
    if re.match(r"(who|which|what) (?!is |are |was |were |do |does |did )", bare, re.I):
        return rng.choice(ORDERS).format(q=bare[0].lower() + bare[1:])
    return bare


def typo(rng, text):
    """One slip of the fingers in a word of five letters or more, not in names or numbers."""
    found = list(re.finditer(r"\b[a-z]{5,}\b", text))
    if not found:
        return text
    m = rng.choice(found)
    w, i = m.group(), rng.randrange(1, len(m.group()) - 1)
    kind = rng.randrange(4)
    w = (
        w[:i] + w[i + 1 :]
        if kind == 0
        else w[:i] + w[i] + w[i:]
        if kind == 1
        else w[:i] + w[i + 1] + w[i] + w[i + 2 :]
        if kind == 2
        else w[:i] + rng.choice("aeioustrnl") + w[i + 1 :]
    )
    return text[: m.start()] + w + text[m.end() :]


def without_mark(rng, text):
    return text.rstrip("? ")


def lower(rng, text):
    return text.rstrip("? ").lower() if rng.random() < 0.7 else text.lower()


def shout(rng, text):
    return text.upper()


def keywords(rng, text):
    """What is typed into a search box."""
    drop = r"\b(what|who|when|where|which|how|is|are|was|were|do|does|did|the|a|an|of|in|to|for|by|has|have)\b"
    words = re.sub(drop, " ", text.rstrip("? "), flags=re.I).split()
    return " ".join(words) if len(words) > 1 else text


# In the order in which two of them come together: a slip spares names, which can be told before all is in lower case.
FORMS = [(typo, 3), (without_mark, 4), (command, 4), (keywords, 1), (lower, 4), (shout, 0.5)]


def vary(rng, text, changed=0.35):
    """The question, in another form in that share of the cases."""
    if rng.random() < changed:
        kinds, weights = zip(*FORMS)
        chosen = rng.choices(kinds, weights, k=1 if rng.random() < 0.75 else 2)
        for change in sorted(chosen, key=kinds.index):
            text = change(rng, text)
    return text
