"""Fails unless docs/dependencies.md has a row for each crate of the library, and no other.

    cargo tree --locked -e normal -p ramba --target all --prefix none --format '{p}' | python3 .ci/dependencies.py
"""

import pathlib
import re
import sys

text = (pathlib.Path(__file__).parent.parent / "docs/dependencies.md").read_text(encoding="utf-8")
# The library's part: the command has more, which are listed as far as it asks for them.
text = text.split("\n## ")[0]
cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
listed = {name for cell in cells for name in re.findall("`([^`]+)`", cell)}
tree = {line.split()[0] for line in sys.stdin if line.strip()} - {"ramba"}
if listed != tree:
    sys.exit(f"docs/dependencies.md lacks {sorted(tree - listed)} and has {sorted(listed - tree)}, which are not in the tree")
print(f"docs/dependencies.md: {len(tree)} crates, each with a reason")
