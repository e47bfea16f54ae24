"""How much of the words of documents `ramba text` keeps, beside what poppler's pdftotext, pandoc or Python make of them.

    cargo build --release && python3 benches/documents.py FILE…

Prints a row of Markdown for each file: words of the reference, the share of them that is kept, the share of words that the reference does not
have, labels, those that are right, seconds. Right is, of the words under `page N` of a PDF, the share that is on page N of the reference; of
the headings of the reference, those that are labels by their words. Needs pdftotext (PDF) and pandoc (EPUB, DOCX, HTML, Markdown); with
--missing the words and headings that differ.
"""

import collections
import json
import pathlib
import re
import subprocess
import sys
import time

RAMBA = pathlib.Path(__file__).parent.parent / "target/release/ramba"


def words(text: str) -> collections.Counter:
    return collections.Counter(re.findall(r"\w+", text.lower()))


def output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def reference(file: pathlib.Path, encoding: str) -> tuple[str, str]:
    kind = file.suffix[1:]
    if kind == "pdf":
        return output("pdftotext", str(file), "-"), "pdftotext"
    if kind in ("epub", "docx", "html", "md"):
        kinds = ["-f", "gfm"] if kind == "md" else []
        return output("pandoc", *kinds, "-t", "plain", "--wrap=none", str(file)), "pandoc"
    return file.read_text(encoding=encoding), f"Python, {encoding}"


def pages(file: pathlib.Path, read: dict) -> tuple[str, list]:
    """How many of the words under each page's label are on that page of the reference."""
    theirs = output("pdftotext", str(file), "-").split("\f")
    text = read["text"].encode()
    marks = [mark for mark in read["marks"] if mark["label"]]
    ours = collections.defaultdict(str)
    for mark, end in zip(marks, [mark["at"] for mark in marks[1:]] + [len(text)]):
        ours[mark["label"]] += text[mark["at"] : end].decode(errors="replace") + " "
    right = total = 0
    for label, page in ours.items():
        page = words(page)
        right += (page & words(theirs[int(label.removeprefix("page ")) - 1])).total()
        total += page.total()
    return f"{right / max(1, total):.2%}", []


def headings(file: pathlib.Path, read: dict) -> tuple[str, list]:
    """How many of the headings that the reference has are labels, or the last part of one."""
    def inlines(node) -> str:
        if isinstance(node, list):
            return "".join(map(inlines, node))
        if not isinstance(node, dict):
            return ""
        match node["t"]:
            case "Str":
                return node["c"]
            case "Space" | "SoftBreak" | "LineBreak":
                return " "
            case "Code" | "Math":
                return node["c"][1]
            case "Note" | "RawInline":
                return ""
            case "Quoted" | "Link" | "Image" | "Span" | "Cite":
                return inlines(node["c"][1])
            case _:
                return inlines(node.get("c", []))

    def found(blocks) -> list[str]:
        here = []
        for block in blocks if isinstance(blocks, list) else []:
            if isinstance(block, dict) and block.get("t") == "Header":
                here.append(inlines(block["c"][2]))
            elif isinstance(block, dict):
                here += found(block.get("c", []))
            else:
                here += found(block)
        return here

    kinds = ["-f", "gfm"] if file.suffix == ".md" else []
    theirs = found(json.loads(output("pandoc", *kinds, "-t", "json", str(file)))["blocks"])
    theirs = [heading for heading in theirs if words(heading)]
    # Without the numbers that lists and styles put before them.
    labels = [re.findall(r"\w+", mark["label"].lower()) for mark in read["marks"] if mark["label"]]
    missing = []
    for heading in theirs:
        wanted = re.findall(r"\w+", heading.lower())
        if not any(label[-len(wanted) :] == wanted for label in labels):
            missing.append(heading)
    return f"{len(theirs) - len(missing)} of {len(theirs)}", missing


def main() -> None:
    print("| file | reference | words | kept | more | labels | right | s |\n|---|---|---|---|---|---|---|---|")
    for name in (name for name in sys.argv[1:] if name != "--missing"):
        file = pathlib.Path(name)
        started = time.time()
        read = json.loads(output(str(RAMBA), "text", "--json", name))
        seconds = time.time() - started
        said = " ".join(note["message"] for note in read["notes"])
        encoding = re.search("read as (\\S+),", said)
        text, by = reference(file, encoding[1] if encoding else "utf-8")
        ours, theirs = words(read["text"]), words(text)
        kept = (ours & theirs).total() / max(1, theirs.total())
        more = (ours - theirs).total() / max(1, ours.total())
        labels = len({mark["label"] for mark in read["marks"] if mark["label"]})
        right, missing = "", []
        if by == "pdftotext":
            right, missing = pages(file, read)
        elif by == "pandoc":
            right, missing = headings(file, read)
        print(f"| `{file.name}` | {by} | {theirs.total():,} | {kept:.2%} | {more:.2%} | {labels:,} | {right} | {seconds:.2f} |")
        if "--missing" in sys.argv:
            print((theirs - ours).most_common(15), (ours - theirs).most_common(15), missing)


main()
