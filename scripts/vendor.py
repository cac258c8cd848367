"""Fetch the vendored browser files again, or check the committed ones.

``python scripts/vendor.py check`` recomputes every sha256 of ``static/vendor/*/VENDOR.txt``: no network.
``python scripts/vendor.py fetch`` runs ``npm pack --ignore-scripts`` for each package, copies the named files and
refuses any whose sha256 differs from the committed one. ``fetch --accept`` writes the new hashes instead: read the
difference before committing it. The registry is whatever npm is set to.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

STATIC = Path(__file__).resolve().parent.parent / "static"
ICONS = [
    "home",
    "calendar-plus",
    "calendar-event",
    "checklist",
    "school",
    "map-2",
    "users-group",
    "book-2",
    "certificate",
    "building-store",
    "phone-call",
    "clock",
    "hourglass",
    "alert-circle",
    "alert-triangle",
    "check",
    "circle-check",
    "x",
    "circle-x",
    "ban",
    "user",
    "menu-2",
    "chevron-left",
    "chevron-right",
    "chevron-down",
    "search",
    "filter",
    "plus",
    "pencil",
    "logout",
    "language",
    "map-pin",
    "wifi",
    "user-check",
    "player-play",
    "lock",
    "refresh",
    "info-circle",
    "calendar-off",
    "arrow-right",
    "external-link",
    "printer",
    "download",
    "trash",
    "notebook",
    "star",
    "cash",
    "circle",
    "circle-dashed",
    "arrows-exchange",
    "send",
    "bookmarks",
    "user-off",
    "eye-off",
    "player-pause",
    "settings",
    "file-text",
    "history",
    "trending-up",
    "phone",
    "mail",
    "note",
    "flag",
    "bolt",
    "activity",
    "key",
    "shield-check",
]
"""The Tabler icons in the sprite, by their Tabler names; add one here and fetch again."""

MIT_OF_TABLER = """MIT License

Copyright 2018-2026 The Tabler Authors
Copyright 2018-2026 codecalm.net Paweł Kuna

The package ships no licence file; its stylesheet's header and its README name this licence and these holders.

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


@dataclass(frozen=True, slots=True)
class Package:
    """One npm package and what is taken from it: ``files`` maps our name to the name inside the package."""

    name: str
    version: str
    licence: str
    files: dict[str, str]

    @property
    def folder(self) -> str:
        """The folder under ``static/vendor``."""
        name = self.name.removeprefix("@geoman-io/").removesuffix("-free").removeprefix("@")
        return name.replace("/", "-").replace("htmx.org", "htmx") + "-" + self.version


PACKAGES = (
    Package(
        "htmx.org",
        "4.0.1",
        "0BSD",
        {
            "htmx.min.js": "dist/htmx.min.js",
            "hx-csp.min.js": "dist/ext/hx-csp.min.js",
            "LICENSE": "LICENSE",
        },
    ),
    Package(
        "@tabler/core",
        "1.6.1",
        "MIT",
        {"tabler.min.css": "dist/css/tabler.min.css", "LICENSE": ""},
    ),
    Package("@tabler/icons", "3.51.0", "MIT", {"../../icons.svg": "", "LICENSE": "LICENSE"}),
    # Without its pictures: they are of markers and of a choice of layers, and the maps here have neither.
    Package(
        "leaflet",
        "1.9.4",
        "BSD-2-Clause",
        {"leaflet.js": "dist/leaflet.js", "leaflet.css": "dist/leaflet.css", "LICENSE": "LICENSE"},
    ),
    Package(
        "@geoman-io/leaflet-geoman-free",
        "2.20.2",
        "MIT",
        {
            "leaflet-geoman.min.js": "dist/leaflet-geoman.min.js",
            "leaflet-geoman.css": "dist/leaflet-geoman.css",
            "LICENSE": "LICENSE",
        },
    ),
)


def sha256(content: bytes) -> str:
    """The lower-case hexadecimal SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


def committed(note: Path) -> dict[str, str]:
    """The hashes a VENDOR.txt promises: file name, relative to its folder, to sha256."""
    found = re.findall(r"^([0-9a-f]{64})  (\S+)$", note.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: digest for digest, name in found}


def differences() -> list[str]:
    """What does not match the committed hashes, as sentences; empty when all is well."""
    wrong = []
    for note in sorted((STATIC / "vendor").glob("*/VENDOR.txt")):
        promised = committed(note)
        here = {path.name for path in note.parent.iterdir()} - {"VENDOR.txt"}
        wrong += [f"{note.parent.name}/{name} has no hash" for name in sorted(here - promised.keys())]
        for name, digest in promised.items():
            path = note.parent / name
            if not path.is_file():
                wrong.append(f"{note.parent.name}/{name} is missing")
            elif sha256(path.read_bytes()) != digest:
                wrong.append(f"{note.parent.name}/{name} was changed")
    return wrong


def sprite(files: dict[str, bytes]) -> bytes:
    """One SVG with a symbol per icon, drawn in the current colour."""
    symbols = []
    for name in sorted(set(ICONS)):
        drawing = files[f"icons/outline/{name}.svg"].decode()
        inner = re.sub(r"\s+", " ", drawing[drawing.index(">") + 1 : drawing.rindex("</svg>")]).strip()
        inner = inner.replace('<path stroke="none" d="M0 0h24v24H0z" fill="none" />', "").strip()
        symbols.append(
            f'<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" '
            f'stroke-linecap="round" stroke-linejoin="round">{inner}</symbol>'
        )
    head = "<!-- Tabler Icons, MIT licence: see vendor/tabler-icons-*/LICENSE -->"
    return ('<svg xmlns="http://www.w3.org/2000/svg">\n' + head + "\n" + "\n".join(symbols) + "\n</svg>\n").encode()


def unpack(package: Package) -> dict[str, bytes]:
    """The files of the published package, by their name inside it."""
    spec = f"{package.name}@{package.version}"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["npm", "pack", "--ignore-scripts", "--silent", spec],
            cwd=folder,
            check=True,
        )
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as tar:
            found = {}
            for member in tar.getmembers():
                handle = tar.extractfile(member)
                if handle is not None:
                    found[member.name.removeprefix("package/")] = handle.read()
            return found


def content_of(ours: str, theirs: str, files: dict[str, bytes]) -> bytes:
    """One vendored file: taken from the package, or made from it."""
    if theirs:
        return files[theirs]
    return sprite(files) if ours.endswith("icons.svg") else MIT_OF_TABLER.encode()


def fetch(*, accept: bool) -> list[str]:
    """Download every package and write its files; refuses wrong hashes unless ``accept``. Returns the refusals."""
    refused = []
    for package in PACKAGES:
        folder = STATIC / "vendor" / package.folder
        folder.mkdir(parents=True, exist_ok=True)
        note = folder / "VENDOR.txt"
        promised = committed(note) if note.exists() else {}
        files = unpack(package)
        lines = [
            f"package: {package.name}",
            f"version: {package.version}",
            f"licence: {package.licence}",
            "",
        ]
        for ours, theirs in package.files.items():
            content = content_of(ours, theirs, files)
            if not accept and promised.get(ours) != sha256(content):
                refused.append(f"{package.folder}/{ours} differs from the committed hash")
                continue
            (folder / ours).write_bytes(content)
            lines.append(f"{sha256(content)}  {ours}")
        if accept:
            note.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return refused


def main() -> int:
    """Run the command line; the exit status is 1 when something differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["check", "fetch"])
    parser.add_argument("--accept", action="store_true", help="write the hashes of what was fetched")
    options = parser.parse_args()
    wrong = differences() if options.what == "check" else fetch(accept=options.accept)
    for line in wrong:
        sys.stderr.write(line + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
