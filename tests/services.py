"""Real PostgreSQL and Valkey for the tests that ask for them; tests that do not ask start nothing.

One *keeper* process serves a whole pytest run, all parallel workers included. It sleeps until the first test asks,
then starts the embedded servers in a temporary folder and migrates a template database; each worker gets a copy of
that and a Valkey database of its own. The keeper ends when the run does, however that ends: its standard input closes.

``TEST_DATABASE_URL`` (a superuser's) and ``TEST_REDIS_URL`` together make it use those servers instead.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import make_url

from webapp import embedded
from webapp.db import tenancy
from webapp.embedded.place import stand_in

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = f"zonedesk_template_{os.getpid()}"

# Examples are the same in every run; HYPOTHESIS_PROFILE=wide looks further. A slow machine is no failure.
settings.register_profile("same", deadline=None, derandomize=True, database=None)
settings.register_profile("wide", deadline=None, max_examples=1000, print_blob=True)


@dataclass(frozen=True, slots=True)
class Servers:
    """Addresses of the running servers; those of PostgreSQL name one database."""

    admin_url: str
    owner_url: str
    database_url: str
    redis_url: str
    template: str = ""
    """Name of a migrated, empty database to copy; empty when it was not asked for."""

    def on_database(self, name: str) -> Servers:
        """The same servers, another database."""
        moved = {
            key: make_url(getattr(self, key)).set(database=name).render_as_string(hide_password=False)
            for key in ("admin_url", "owner_url", "database_url")
        }
        return Servers(**moved, redis_url=self.redis_url, template=self.template)


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--durable`` is for tests that kill servers and count what survived."""
    parser.addoption("--durable", action="store_true", help="embedded servers sync to disk, as in `make run`")


_KEEPER = pytest.StashKey[subprocess.Popen[bytes]]()
_FOLDER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Set what must not matter, and let the one keeper of this run wait for the first question."""
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
    # Tests set scenes and call services as whoever they like: where they do not say on whose behalf, they see all.
    # Requests and jobs always say, so for them row-level security is in force as in production.
    tenancy.UNSAID = tenancy.Tenant(operator_id=None, sees_everything=True)
    os.environ.setdefault("TZ", "Pacific/Chatham")  # 12:45 or 13:45 ahead: code that uses the machine's zone fails
    time.tzset()
    given = getattr(config, "workerinput", None)
    if given is not None:
        config.stash[_FOLDER] = Path(given["services"])
        return
    folder = Path(tempfile.mkdtemp(prefix="zonedesk-tests-"))
    folder.chmod(0o711)  # run by root, the servers' user has to pass through
    options = ["--durable"] if config.getoption("--durable") else []
    command = [sys.executable, "-m", "tests.services", str(folder), *options]
    keeper = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, start_new_session=True)
    config.stash[_FOLDER] = folder
    config.stash[_KEEPER] = keeper


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Tell each parallel worker where the keeper listens."""
    node.workerinput["services"] = str(node.config.stash[_FOLDER])  # type: ignore[attr-defined]  # xdist has no types


def pytest_unconfigure(config: pytest.Config) -> None:
    """The run is over: the keeper sees its input close, stops the servers, clears up and goes."""
    if _KEEPER in config.stash:
        keeper = config.stash[_KEEPER]
        if keeper.stdin:
            keeper.stdin.close()
        keeper.wait(120)


def _ask(folder: Path, question: str) -> Servers:
    """Ask the keeper; it answers when the servers run."""
    with socket.socket(socket.AF_UNIX) as line, contextlib.ExitStack() as within:
        ends = time.monotonic() + 30.0
        while True:  # the keeper may still be starting
            try:
                line.connect(str(folder / "ask"))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > ends:
                    raise
                time.sleep(0.02)
        line.sendall(question.encode() + b"\n")
        answer = json.loads(within.enter_context(line.makefile("rb")).read() or b'{"error": "the keeper is gone"}')
    if "error" in answer:
        pytest.exit(f"No servers for the tests: {answer['error']}", 3)
    return Servers(**answer)


@pytest.fixture(scope="session")
def worker_number(request: pytest.FixtureRequest) -> int:
    """0, 1, 2 … for the parallel workers of a run; 0 when there are none."""
    name = getattr(request.config, "workerinput", {}).get("workerid", "gw0")
    return int(re.sub(r"\D", "", str(name)))


@pytest.fixture(scope="session")
def bare_servers(pytestconfig: pytest.Config, worker_number: int) -> Servers:
    """Running servers, PostgreSQL without a schema; its addresses name the database ``postgres``."""
    return _own_queue(_ask(pytestconfig.stash[_FOLDER], "servers"), worker_number).on_database("postgres")


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config, worker_number: int) -> Iterator[Servers]:
    """Running servers with a migrated, empty database that only this worker uses."""
    found = _own_queue(_ask(pytestconfig.stash[_FOLDER], "template"), worker_number)
    name = f"{found.template}_gw{worker_number}"
    embedded.create_database(found.admin_url, name, owner=_user(found.owner_url), template=found.template)
    yield found.on_database(name)
    embedded.drop_database(found.admin_url, name)


@pytest.fixture
def new_database(bare_servers: Servers, worker_number: int) -> Iterator[Callable[[], Servers]]:
    """Makes databases without a schema, for tests of migrations; dropped after the test."""
    made: list[str] = []

    def make() -> Servers:
        made.append(f"zonedesk_new_{os.getpid()}_{worker_number}_{len(made)}")
        embedded.create_database(bare_servers.admin_url, made[-1], owner=_user(bare_servers.owner_url))
        return bare_servers.on_database(made[-1])

    yield make
    for name in made:
        embedded.drop_database(bare_servers.admin_url, name)


@pytest.fixture(scope="session")
def database_url(servers: Servers) -> str:
    """This worker's database as the role that serves."""
    return servers.database_url


@pytest.fixture(scope="session")
def owner_url(servers: Servers) -> str:
    """This worker's database as the role that owns and migrates."""
    return servers.owner_url


@pytest.fixture(scope="session")
def redis_url(bare_servers: Servers) -> str:
    """A Valkey database that only this worker uses; ``FLUSHDB`` is allowed, ``FLUSHALL`` is not."""
    return bare_servers.redis_url


def _own_queue(found: Servers, worker: int) -> Servers:
    address = make_url(found.redis_url).set(database=str(worker + 1)).render_as_string(hide_password=False)
    return Servers(**asdict(found) | {"redis_url": address})


def _user(url: str) -> str:
    return make_url(url).username or ""


def migrate(owner_url: str) -> None:
    """Bring a database to the newest schema, as its owner."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["url"] = owner_url
    command.upgrade(config, "head")


class Keeper:
    """Starts what is asked for, once, and stops it all at the end."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self._folder = folder
        self._durable = durable
        self._stack = contextlib.ExitStack()
        self._found: Servers | None = None

    def answer(self, question: str) -> Servers:
        """Addresses of the servers; with ``template`` a migrated database is there to be copied."""
        found = self._found = self._found or self._start()
        if question == "template" and not found.template:
            embedded.create_database(found.admin_url, TEMPLATE, owner=_user(found.owner_url))
            self._stack.callback(embedded.drop_database, found.admin_url, TEMPLATE)
            migrate(found.on_database(TEMPLATE).owner_url)
            found = self._found = Servers(**asdict(found) | {"template": TEMPLATE})
        return found

    def _start(self) -> Servers:
        database, queue = os.environ.get("TEST_DATABASE_URL"), os.environ.get("TEST_REDIS_URL")
        if database and queue:  # the app steps into its role with SET ROLE, so one superuser will do for all
            return Servers(database, database, database, queue)
        if database or queue:
            raise embedded.EmbeddedError("set both TEST_DATABASE_URL and TEST_REDIS_URL, or neither.")
        urls = self._stack.enter_context(embedded.start(self._folder / "var", durable=self._durable)).urls
        return Servers(urls.admin_url, urls.database_owner_url, urls.database_url, urls.redis_url)

    def serve(self) -> None:
        """Answer until standard input closes."""
        with self._stack, socket.socket(socket.AF_UNIX) as door:
            door.bind(str(self._folder / "ask"))
            door.listen(64)
            while door in select.select([door, sys.stdin], [], [])[0]:
                line, _ = door.accept()
                with line, contextlib.suppress(BrokenPipeError):
                    question = line.makefile("r").readline().strip()
                    try:
                        said = asdict(self.answer(question))
                    except Exception as error:  # whatever it is, the tests have to be told
                        said = {"error": f"{type(error).__name__}: {error}"}
                    line.sendall(json.dumps(said).encode())


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    try:
        Keeper(folder, durable="--durable" in sys.argv).serve()
    finally:
        for path in (folder, stand_in(folder / "var")):
            shutil.rmtree(path, ignore_errors=True)
