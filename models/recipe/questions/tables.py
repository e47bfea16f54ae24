"""Tables, records and lists, in the shapes that files have: CSV, TSV, Markdown, HTML, aligned columns, `header: value`, bullets."""

from marked import Question, Task, strip
from needles import clock, code, date, digits, name, number, word

# header: (draw, questions about the row {k})
COLUMNS = {
    "Price": (lambda r, w: f"{r.randint(1, 999)}.{r.randint(0, 99):02}", ["What is the price of {k}?", "How much does {k} cost?"]),
    "Quantity": (lambda r, w: digits(r, r.randint(1, 4)), ["How many {k} are there?", "What is the quantity of {k}?"]),
    "Owner": (lambda r, w: name(r), ["Who is the owner of {k}?", "Who owns {k}?"]),
    "City": (lambda r, w: r.choice(w).capitalize(), ["In which city is {k}?", "What is the city of {k}?"]),
    "Date": (lambda r, w: date(r), ["What is the date of {k}?", "When was {k}?"]),
    "Year": (lambda r, w: str(r.randint(1800, 2030)), ["What is the year of {k}?", "From which year is {k}?"]),
    "Code": (lambda r, w: code(r), ["What is the code of {k}?"]),
    "Status": (lambda r, w: r.choice("open closed pending failed done blocked new stable".split()), ["What is the status of {k}?"]),
    "Version": (lambda r, w: f"{r.randint(0, 12)}.{r.randint(0, 40)}.{r.randint(0, 9)}", ["What is the version of {k}?", "Which version does {k} have?"]),
    "Default": (lambda r, w: r.choice(("true", "false", "none", "auto", digits(r, r.randint(1, 4)))), ["What is the default of {k}?"]),
    "Size": (lambda r, w: f"{number(r)} {r.choice(('kB', 'MB', 'GB', 'bytes', 'cm', 'kg'))}", ["What is the size of {k}?", "How large is {k}?"]),
    "Opens": (lambda r, w: clock(r), ["When does {k} open?"]),
    "Colour": (lambda r, w: r.choice("red blue green yellow black white grey brown purple orange".split()), ["What colour is {k}?"]),
    "Note": (lambda r, w: " ".join(r.choices(w, k=r.randint(2, 5))), ["What is noted about {k}?", "What does the note on {k} say?"]),
}
NAMED = ["Name", "Item", "Product", "Key", "Option", "Station", "Part", "Field"]


def row_keys(rng, words, n):
    kind = rng.randrange(4)
    draw = (
        lambda: rng.choice(words),
        lambda: f"{rng.choice(words)} {rng.choice(words)}",
        lambda: f"{rng.choice(words)}_{rng.choice(words)}" if rng.random() < 0.7 else "--" + rng.choice(words),
        lambda: rng.choice(words).capitalize() + " " + rng.choice(("A", "B", "C", "II", "3", "X")),
    )[kind]
    out = {}
    while len(out) < n:
        out[draw()] = True
    return list(out)


def draw(rng, words):
    task = Task("table", [], [], ordered=True, rows=True)
    n = rng.randint(3, 14)
    headers = rng.sample(list(COLUMNS), rng.randint(1, 4))
    named = rng.choice(NAMED)
    keys = row_keys(rng, words, n + 1)
    head = [task.mark(h) for h in headers]
    plain = [[COLUMNS[h][0](rng, words) for h in headers] for _ in range(n)]
    rows = []
    for k, values in zip(keys, plain):
        shown, at = task.mark(k)
        cells = []
        for c, (h, value) in enumerate(zip(headers, values)):
            cell, i = task.mark(value)
            cells.append(cell)
            if rng.random() < 0.4:
                task.questions.append(Question(rng.choice(COLUMNS[h][1]).format(k=k), [i], [head[c][1], at]))
            elif rng.random() < 0.2 and sum(row[c] == value for row in plain) == 1:
                task.questions.append(Question(f"Which {named.lower()} has the {h.lower()} {value}?", [at], [head[c][1], i]))
        rows.append([shown, *cells])
    if rng.random() < 0.3:
        task.questions.append(Question(rng.choice(COLUMNS[headers[0]][1]).format(k=keys[n])))
    task.facts = [write(rng, [named, *(h for h, _ in head)], rows)]
    return task


def write(rng, head, rows):
    kind = rng.randrange(8)
    if kind == 0:
        line = lambda cells: "| " + " | ".join(cells) + " |"
        return "\n".join([line(head), "|" + "---|" * len(head), *map(line, rows)])
    if kind == 1:
        joint = rng.choice((",", ", ", ";", "\t"))
        # A cell with the separator in it is quoted.
        line = lambda cells: joint.join(f'"{c}"' if joint.strip() and joint.strip() in c else c for c in cells)
        return "\n".join(map(line, [head, *rows]))
    if kind == 2:
        joint = rng.choice((": ", " = ", ":\t"))
        return "\n\n".join("\n".join(h + joint + c for h, c in zip(head, row)) for row in rows)
    if kind == 3:
        return "\n".join("- " + row[0] + ": " + ", ".join(f"{h.lower()} {c}" for h, c in zip(head[1:], row[1:])) for row in rows)
    if kind == 4:
        line = lambda cells, tag: "<tr>" + "".join(f"<{tag}>{c}</{tag}>" for c in cells) + "</tr>"
        return "<table>\n" + "\n".join([line(head, "th"), *(line(r, "td") for r in rows)]) + "\n</table>"
    if kind == 5:
        wide = [max(len(strip(r[c])) for r in [head, *rows]) + 2 for c in range(len(head))]
        line = lambda cells: "".join(c + " " * (w - len(strip(c))) for c, w in zip(cells, wide)).rstrip()
        return "\n".join(map(line, [head, *rows]))
    if kind == 6:
        return "\n".join(f"{i}. {row[0]} ({'; '.join(f'{h}: {c}' for h, c in zip(head[1:], row[1:]))})" for i, row in enumerate(rows, 1))
    return "\n".join(row[0] + "\n" + "\n".join(f"    {h}: {c}" for h, c in zip(head[1:], row[1:])) for row in rows)
