"""Fails if a dependency asks for a newer compiler than Cargo.toml promises.

    cargo metadata --locked --all-features --format-version 1 | python3 .ci/msrv.py
"""

import json
import sys

packages = json.load(sys.stdin)["packages"]


def version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))[:2]


promised = next(p["rust_version"] for p in packages if p["name"] == "ramba")
newer = [f'{p["name"]} {p["version"]} needs {p["rust_version"]}' for p in packages
         if version(p["rust_version"] or "1.0") > version(promised)]
if newer:
    sys.exit(f"Cargo.toml promises Rust {promised}, but {', '.join(newer)}")
print(f"Rust {promised}: none of {len(packages)} crates asks for a newer one")
