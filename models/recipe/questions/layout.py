"""The layout that people's files have, put on marked text: hard wraps, other spaces and line ends, quoting, bullets, remnants of markup."""

import re

NBSP = "\u00a0"
WORD = re.compile(r"(?<= )[A-Za-z][a-z]{3,}(?=[ ,.])")
INNERMOST = re.compile("([\ue000-\ue7ff][^\ue000-\uefff]*[\ue800-\uefff])")


def outside(pattern, change, text):
    """`change` on every match that is not inside of an innermost mark: answers stay as they are."""
    parts = INNERMOST.split(text)
    return "".join(part if i % 2 else pattern.sub(change, part) for i, part in enumerate(parts))


def wrap(rng, text):
    """Lines of at most so many characters; a wrap may fall inside a marked span."""
    width, out, line = rng.randint(28, 80), [], 0
    indent = rng.choice(("", "", "", "  ", "    ", "\t"))
    for part in re.split(r"(\s+)", text):
        if part.isspace():
            out.append(part)
            line = 0 if "\n" in part else line + 1
            continue
        if line + len(part) > width and out and out[-1].isspace() and "\n" not in out[-1]:
            out[-1] = "\n" + indent
            line = len(indent)
        out.append(part)
        line += len(part)
    return "".join(out)


def crlf(rng, text):
    return re.sub(r"(?<!\r)\n", "\r\n", text)


def nbsp(rng, text):
    return "".join(NBSP if c == " " and rng.random() < 0.3 else c for c in text)


def double(rng, text):
    return "".join("  " if c == " " and rng.random() < 0.2 else c for c in text)


def indent(rng, text):
    by = rng.choice(("  ", "    ", "\t", "        "))
    return by + text.replace("\n", "\n" + by)


def quote(rng, text):
    mark = rng.choice(("> ", "> ", ">> ", "| "))
    return mark + text.replace("\n", "\n" + mark)


def bullet(rng, text):
    return rng.choice(("- ", "* ", "• ", "1. ", "  - ", "+ ", "[ ] ")) + text


def markdown(rng, text):
    kind = rng.randrange(4)
    if kind == 0:
        return "#" * rng.randint(1, 4) + " " + text
    if kind == 1:
        return f"**{text}**" if rng.random() < 0.5 else f"_{text}_"
    sign = ("**", "`")[kind - 2]
    return outside(WORD, lambda m: f"{sign}{m.group()}{sign}" if rng.random() < 0.25 else m.group(), text)


def html(rng, text):
    tag = rng.choice(("p", "li", "b", "span", "div"))
    if rng.random() < 0.5:
        return f"<{tag}>{text}</{tag}>"
    return outside(WORD, lambda m: f"<{tag}>{m.group()}</{tag}>" if rng.random() < 0.2 else m.group(), text)


def upper(rng, text):
    return text.upper()


PLAIN_LINES = (crlf, indent, quote)
ALL = (wrap, wrap, crlf, nbsp, double, indent, quote, bullet, markdown, html, upper)


def noisy(rng, text, rows=False):
    """One or two kinds of noise on `text`; for `rows`, only what leaves lines as they are."""
    kinds = PLAIN_LINES if rows else ALL
    for change in rng.sample(kinds, 1 if rng.random() < 0.7 else 2):
        text = change(rng, text)
    return text
