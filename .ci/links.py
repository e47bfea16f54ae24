"""Relative links in the documentation lead to files that are there, and to headings that they have; tests that are named are there."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def anchors(text):
    """The names that headings have as links."""
    text = re.sub(r"(?ms)^```.*?^```", "", text)
    names = set()
    for heading in re.findall(r"(?m)^#+ +(.*)$", text):
        heading = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        names.add(re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-"))
    return names


def main():
    listed = subprocess.run(["git", "ls-files", "-z", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    wrong, count = [], 0
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        text = re.sub(r"(?ms)^```.*?^```|`[^`\n]*`", "", path.read_text())
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", link):
                continue
            count += 1
            file, _, anchor = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            if not target.exists():
                wrong.append(f"{name}: {link}: there is no such file")
            elif anchor and anchor not in anchors(target.read_text()):
                wrong.append(f"{name}: {link}: there is no such heading")
        # `file.rs::test`, and files of tests.
        for file, test in re.findall(r"`((?:cli/)?(?:tests|src)/[\w/]+\.rs)(?:::(\w+))?`", path.read_text()):
            source = ROOT / file
            if not source.exists():
                wrong.append(f"{name}: {file}: there is no such file")
            elif test and f"fn {test}(" not in source.read_text():
                wrong.append(f"{name}: {file} has no test {test}")
    print("\n".join(wrong) or f"{count} links lead somewhere")
    sys.exit(bool(wrong))


main()
