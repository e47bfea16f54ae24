"""How much of the words of documents `ramba text` keeps, beside what poppler's pdftotext, pandoc or Python make of them.

    cargo build --release && python3 benches/documents.py FILE…

Prints a row of Markdown for each file: words of the reference, the share of them that is kept, the share of words that the reference does not
have, labels, seconds. Needs pdftotext (PDF) and pandoc (EPUB, DOCX, HTML, Markdown); with --missing the words that differ most.
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


def main() -> None:
    print("| file | reference | words | kept | more | labels | s |\n|---|---|---|---|---|---|---|")
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
        print(f"| `{file.name}` | {by} | {theirs.total():,} | {kept:.2%} | {more:.2%} | {labels:,} | {seconds:.2f} |")
        if "--missing" in sys.argv:
            print((theirs - ours).most_common(15), (ours - theirs).most_common(15))


main()
