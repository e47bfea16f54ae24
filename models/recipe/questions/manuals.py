"""Documents out of the HTML and text files of Debian's documentation packages: paragraphs, headings, lists and tables as text."""

import re
from html.parser import HTMLParser
from pathlib import Path

SKIP = {"script", "style", "head", "nav", "footer", "button", "svg"}
BLOCK = {"p", "div", "li", "dt", "dd", "tr", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "section", "table", "ul", "ol", "dl", "br", "body"}


class Text(HTMLParser):
    """Collects the text of a page. `skipped` holds the open elements that are not text for readers."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.out, self.skipped, self.pre = [], [], 0

    def handle_starttag(self, tag, attrs):
        classes = dict(attrs).get("class") or ""
        if tag in SKIP or (tag == "div" and re.search(r"navheader|navfooter|sphinxsidebar|related", classes)):
            self.skipped.append(tag)
        elif self.skipped and tag == "div":
            self.skipped.append(tag)
        elif tag in BLOCK:
            self.out.append("\n\n" if tag not in {"li", "tr", "br", "dt", "dd"} else "\n")
            self.out.append("- " if tag == "li" else "")
        elif tag in {"td", "th"}:
            self.out.append(" | ")
        self.pre += tag == "pre"

    def handle_endtag(self, tag):
        if self.skipped and self.skipped[-1] == tag:
            self.skipped.pop()
        elif tag in BLOCK:
            self.out.append("\n")
        self.pre -= tag == "pre"

    def handle_data(self, data):
        if not self.skipped:
            self.out.append(data if self.pre else re.sub(r"\s+", " ", data))


def page(path):
    parser = Text()
    parser.feed(path.read_text("utf-8", "replace"))
    text = "".join(parser.out).replace("¶", "").replace("\xa0", " ")
    text = re.sub(r"[ \t]+\n", "\n", text)
    text = re.sub(r"\n[ \t]*- *\n+", "\n- ", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def documents(folder):
    """(name, text) of every English page below `folder` with at least a few paragraphs."""
    for path in sorted(Path(folder).rglob("*.html")):
        name = str(path.relative_to(folder))
        if path.is_symlink() or not path.is_file() or re.search(r"genindex|search|whatsnew/changelog|_modules|py-modindex|bookindex", name):
            continue
        if "debian-handbook" in name and "/en-US/" not in name or re.search(r"[./](de|fr|ja|it|ru|es|zh[-_]..)[./]", name):
            continue
        text = page(path)
        if len(text) > 800:
            yield name, text
