"""Somebody else's verifier in Node, installed once into ``var/`` from a lock file and asked over standard input."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.services import ROOT

SOURCES: Final = ROOT / "tests" / "oracles" / "credentials"
FOLDER: Final = ROOT / "var" / "oracles"
_FILES: Final = ("package.json", "package-lock.json", ".npmrc")
_INSTALL: Final = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def installed() -> Path:
    """The folder the verifier runs in, with its packages as locked; later calls and other processes reuse it.

    Skips a test where there is no Node or npm, but fails it in CI, where ``.ci/run`` has installed both.
    """
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if missing:
        sentence = f"{' and '.join(missing)} not found: credentials are not verified by anybody else's code"
        pytest.fail(sentence) if os.environ.get("CI") else pytest.skip(sentence)
    wanted = hashlib.sha256(b"".join((SOURCES / name).read_bytes() for name in _FILES)).hexdigest()[:16]
    folder, done = FOLDER / f"credentials-{wanted}", FOLDER / f"credentials-{wanted}" / "installed"
    folder.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            for name in _FILES:
                shutil.copy(SOURCES / name, folder / name)
            _install(folder)
            done.touch()
        # Node looks for packages from where the script lies.
        shutil.copy(SOURCES / "verify.mjs", folder / "verify.mjs")
    return folder


def _install(folder: Path) -> None:
    """Twice at most: a package that does not come is asked for again."""
    for try_number in (1, 2):
        ran = subprocess.run(_INSTALL, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        if ran.returncode == 0:
            return
        assert try_number == 1, f"npm ci failed:\n{ran.stderr}"


def ask(folder: Path, question: Mapping[str, Any]) -> dict[str, Any]:
    """The verifier's answer."""
    ran = subprocess.run(
        ["node", "verify.mjs"],
        cwd=folder,
        input=json.dumps(question),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, f"the verifier failed:\n{ran.stderr}"
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer
