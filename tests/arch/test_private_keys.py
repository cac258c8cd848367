"""Private keys are the worker's: the web process has no setting of them, imports nothing that reads one, opens none."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.certificate_keys import with_keys
from tests.services import ROOT, Servers
from tests.web.client import NOW
from webapp.config import Settings
from webapp.db.work import Database

SERVE = """
import sys
opened, looks = [], ("open", "os.scandir", "os.listdir")
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event in looks else None)
from webapp.app import create_app
app = create_app()
client = app.test_client()
for path in ("/issuer", "/verify", "/readyz", "/credentials/revoked/2027", "/certificates", "/sign-in"):
    assert client.get(path).status_code < 500 or path == "/readyz", path
keys = sys.argv[1]
print("opened", [path for path in opened if path.startswith(keys)])
signing = ("webapp.certificates.signing", "pyhanko", "pyld")
print("loaded", sorted(name for name in sys.modules if name.startswith(signing)))
print("held", [name for name, value in app.extensions["settings"] if keys in str(value)], keys in str(dict(app.config)))
"""


def test_the_web_process_opens_no_key_and_loads_nothing_that_could(
    servers: Servers, db: Database, tmp_path: Path, redis_url: str
) -> None:
    """Even when the environment says where keys are, and they lie where this user could read them."""
    keys = with_keys(db, tmp_path / "secret-keys", now=NOW).path
    env = {
        "PATH": "/usr/bin:/bin",
        "ZONEDESK_ENV": "test",
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": redis_url,
        "DATA_DIR": str(tmp_path / "data"),
        "CERTIFICATE_KEYS": str(keys),
        "LOG_LEVEL": "ERROR",
    }
    done = subprocess.run(
        [sys.executable, "-c", SERVE, str(keys)], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["opened []", "loaded []", "held [] False"]


OF_THE_STORE = {"certificate_store_key_id"}
"""Under which name the store of files knows the desk: the web reads files there as well, and signs nothing with it."""


def test_no_setting_of_the_desk_says_where_keys_are() -> None:
    assert not [
        name for name in Settings.model_fields if "key" in name and "certificate" in name and name not in OF_THE_STORE
    ]


def test_the_folder_of_keys_is_named_in_one_place() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "webapp").rglob("*.py")
        if re.search(r"certificate_keys|KeySettings", path.read_text("utf-8"), re.IGNORECASE)
        and 'certificate_keys"' not in path.read_text("utf-8")
    }
    assert found == {"webapp/certificates/jobs.py", "webapp/certificates/signing/folder.py", "webapp/cli/keys.py"}


def test_what_signs_is_loaded_by_the_command_line_only_when_asked() -> None:
    source = (ROOT / "webapp" / "cli" / "keys.py").read_text("utf-8")
    outside = [line for line in source.splitlines() if line.startswith(("from", "import"))]
    assert not [line for line in outside if "signing" in line or "credentials.keys" in line]
