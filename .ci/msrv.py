"""Fails if a dependency of a package asks for a newer compiler than the package promises.

    cargo metadata --locked --all-features --format-version 1 | python3 .ci/msrv.py
"""

import json
import sys

metadata = json.load(sys.stdin)
packages = {p["id"]: p for p in metadata["packages"]}
# What is built for users: tests may ask for more.
uses = {
    node["id"]: [dep["pkg"] for dep in node["deps"] if any(kind["kind"] in (None, "build") for kind in dep["dep_kinds"])]
    for node in metadata["resolve"]["nodes"]
}


def version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))[:2]


for name in "ramba", "ramba-cli":
    promised = next(p for p in packages.values() if p["name"] == name)
    found, waiting = set(), [promised["id"]]
    while waiting:
        package = waiting.pop()
        if package not in found:
            found.add(package)
            waiting += uses[package]
    newer = [f'{p["name"]} {p["version"]} needs {p["rust_version"]}' for p in map(packages.get, found)
             if version(p["rust_version"] or "1.0") > version(promised["rust_version"])]
    if newer:
        sys.exit(f'{name} promises Rust {promised["rust_version"]}, but {", ".join(newer)}')
    print(f'{name}: Rust {promised["rust_version"]}: none of {len(found)} crates asks for a newer one')
