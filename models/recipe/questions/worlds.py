"""Small worlds in the manner of bAbI (Weston et al. 2015), QA1 to QA5: people who move, carry and give things; places side by side.

The later fact counts, so facts keep their order. Names, places and things are bAbI's in half of the worlds, and others else.
"""

from marked import Question, Task
from needles import FIRST_NAMES

PEOPLE = ["Mary", "John", "Sandra", "Daniel", "Bill", "Fred", "Jeff", "Julie"]
PLACES = ["kitchen", "hallway", "bathroom", "bedroom", "garden", "office"]
THINGS = ["football", "milk", "apple"]
MORE_PLACES = "library harbour market station workshop cellar attic school bakery stable museum theatre".split()
MORE_THINGS = "lantern map violin key parcel umbrella basket hammer notebook helmet".split()
GO = ["moved to", "went to", "journeyed to", "travelled to", "went back to"]
TAKE = ["got", "took", "picked up", "grabbed"]
DROP = ["dropped", "discarded", "put down", "left"]
GIVE = ["gave", "handed", "passed"]
SIDES = {"north": "south", "south": "north", "east": "west", "west": "east"}


class World:
    def __init__(self, rng, task):
        self.rng, self.task = rng, task
        plain = rng.random() < 0.5
        self.people = rng.sample(PEOPLE[:4] if plain else FIRST_NAMES, 4)
        self.places = PLACES if plain else rng.sample(PLACES + MORE_PLACES, 6)
        self.things = THINGS if plain else rng.sample(THINGS + MORE_THINGS, 3)
        self.at = {}  # person: (place, mark of the place, mark of the fact)
        self.moves = {}  # person: marks of all facts about where it went; which is the last one only all of them tell
        self.holder = {}  # thing: (person, mark of the fact)
        self.trail = {t: [] for t in self.things}  # thing: places in order, with what tells them

    def tell(self, text):
        shown, i = self.task.mark(text)
        self.task.facts.append(shown)
        return i

    def go(self, person):
        place = self.rng.choice([p for p in self.places if p != self.at.get(person, [None])[0]])
        shown, i = self.task.mark(place)
        fact = self.tell(f"{person} {self.rng.choice(GO)} the {shown}.")
        self.at[person] = (place, i, fact)
        self.moves.setdefault(person, []).append(fact)
        for thing, (holder, took) in self.holder.items():
            if holder == person:
                self.trail[thing].append((place, i, [took, fact]))

    def take(self, person, thing):
        fact = self.tell(f"{person} {self.rng.choice(TAKE)} the {thing}{self.rng.choice((' there', ''))}.")
        self.holder[thing] = (person, fact)
        place, i, went = self.at[person]
        if not self.trail[thing] or self.trail[thing][-1][0] != place:
            self.trail[thing].append((place, i, [fact, went]))

    def drop(self, thing):
        person, _ = self.holder.pop(thing)
        fact = self.tell(f"{person} {self.rng.choice(DROP)} the {thing}{self.rng.choice((' there', ''))}.")
        if self.trail[thing]:
            place, i, support = self.trail[thing][-1]
            self.trail[thing][-1] = (place, i, support + [fact])

    def step(self):
        rng = self.rng
        person = rng.choice(self.people)
        held = [t for t, (p, _) in self.holder.items() if p == person]
        free = [t for t in self.things if t not in self.holder and (not self.trail[t] or self.trail[t][-1][0] == self.at.get(person, [None])[0])]
        kind = rng.random()
        if person not in self.at or kind < 0.5:
            self.go(person)
        elif held and kind < 0.7:
            self.drop(rng.choice(held))
        elif free:
            self.take(person, rng.choice(free))
        else:
            self.go(person)


def moving(rng, words):
    """QA1 (where is someone), QA2 (where is something), QA3 (where was it before), about one world."""
    task = Task("world", [], [], ordered=True)
    world = World(rng, task)
    if rng.random() < 0.4:
        for _ in range(rng.randint(2, 14)):
            world.go(rng.choice(world.people))
    else:
        for _ in range(rng.randint(4, 24)):
            world.step()
    for person, (_, i, _) in world.at.items():
        task.questions.append(Question(f"Where is {person}?", [i], world.moves[person][-6:]))
    for thing, trail in world.trail.items():
        if trail:
            _, i, support = trail[-1]
            task.questions.append(Question(f"Where is the {thing}?", [i], support))
        for before, after in list(zip(trail, trail[1:]))[-1:]:
            # The last time that it came there: what is asked for stands before that.
            task.questions.append(Question(f"Where was the {thing} before the {after[0]}?", [before[1]], (before[2] + after[2])[:6]))
    absent = [p for p in FIRST_NAMES if p not in world.people]
    if rng.random() < 0.3:
        task.questions.append(Question(f"Where is {rng.choice(absent)}?"))
    return task


def sides(rng, words):
    """QA4: what lies beside what."""
    task = Task("world", [], [], ordered=True)
    places = rng.sample(PLACES + (MORE_PLACES if rng.random() < 0.5 else []), rng.randint(3, 5))
    side = None
    for a, b in zip(places, places[1:]):
        # Not back towards the place before: on each side of a place there is one other.
        side = rng.choice([s for s in SIDES if side is None or s != SIDES[side]])
        back = SIDES[side]
        first, i = task.mark(a)
        second, j = task.mark(b)
        task.facts.append(f"The {first} is {side} of the {second}.")
        task.questions.append(Question(f"What is {side} of the {b}?", [i]))
        task.questions.append(Question(f"What is the {a} {side} of?", [j]))
        task.questions.append(Question(f"What is {back} of the {a}?", [j]))
        task.questions.append(Question(f"What is the {b} {back} of?", [i]))
    return task


def giving(rng, words):
    """QA5: who gave what to whom."""
    task = Task("world", [], [], ordered=True)
    people = rng.sample(PEOPLE[3:] if rng.random() < 0.5 else FIRST_NAMES, 4)
    things = rng.sample(THINGS + MORE_THINGS, 3) if rng.random() < 0.5 else THINGS
    last, told = {}, {}
    for _ in range(rng.randint(2, 8)):
        a, b = rng.sample(people, 2)
        thing = rng.choice(things)
        giver, i = task.mark(a)
        taker, j = task.mark(b)
        what, k = task.mark(thing)
        fact, f = task.mark(f"{giver} {rng.choice(GIVE)} the {what} to {taker}.")
        task.facts.append(fact)
        for asked, answer in (
            (f"Who gave the {thing} to {b}?", i),
            (f"Who did {a} give the {thing} to?", j),
            (f"What did {a} give to {b}?", k),
            (f"Who received the {thing}?", j),
            (f"Who gave the {thing}?", i),
        ):
            last[asked] = answer
            told.setdefault(asked, []).append(f)
        for _ in range(rng.randint(0, 2)):
            task.facts.append(f"{rng.choice(people)} {rng.choice(GO)} the {rng.choice(PLACES)}.")
    for asked in rng.sample(sorted(last), min(6, len(last))):
        task.questions.append(Question(asked, [last[asked]], told[asked][-6:]))
    return task


def draw(rng, words):
    kind = rng.random()
    return moving(rng, words) if kind < 0.6 else sides(rng, words) if kind < 0.75 else giving(rng, words)
