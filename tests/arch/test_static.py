"""The browser's files are the ones that were read and committed, and nothing is fetched from elsewhere."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from webapp.web.nav import ENTRIES
from webapp.web.status import LOOKS

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "static"


@pytest.fixture
def vendor() -> ModuleType:
    spec = importlib.util.spec_from_file_location("zonedesk_vendor", ROOT / "scripts/vendor.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_every_vendored_file_has_its_committed_hash(vendor: ModuleType) -> None:
    assert vendor.differences() == []


def test_every_vendored_package_keeps_its_licence_and_is_listed(vendor: ModuleType) -> None:
    folders = {path.name for path in (STATIC / "vendor").iterdir()}
    assert folders == {package.folder for package in vendor.PACKAGES}
    for folder in folders:
        assert (STATIC / "vendor" / folder / "LICENSE").is_file()
        assert vendor.committed(STATIC / "vendor" / folder / "VENDOR.txt")


def test_a_changed_a_missing_and_a_stray_file_are_found(
    vendor: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(STATIC, tmp_path / "static")
    monkeypatch.setattr(vendor, "STATIC", tmp_path / "static")
    htmx = next((tmp_path / "static/vendor").glob("htmx-*"))
    (htmx / "htmx.min.js").write_bytes((htmx / "htmx.min.js").read_bytes() + b" ")
    (htmx / "LICENSE").unlink()
    (htmx / "stray.js").write_text("1", encoding="utf-8")
    assert len(vendor.differences()) == 3


def test_every_icon_of_a_status_and_of_the_navigation_is_in_the_sprite() -> None:
    drawn = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons.svg").read_text(encoding="utf-8")))
    used = {look.icon for looks in LOOKS.values() for look in looks.values()} | {entry.icon for entry in ENTRIES}
    assert used <= drawn
