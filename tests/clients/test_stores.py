"""What every file store promises: one suite, over a folder and over a bucket of a real S3 server process."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest

from tests.s3_server import access_to, new_bucket, s3_server
from webapp.clients.erasures import ErasureList, LocalErasureList
from webapp.clients.files import FileMissing, LargeFileStore, LocalFileStore
from webapp.clients.s3 import Access, Bucket, S3ErasureList, S3FileStore, place_from_url
from webapp.clients.stores import BATCHES, erasure_list_of, store_of
from webapp.config import Settings, SettingsError, load_settings

PDF = "application/pdf"
SOON = timedelta(minutes=10)


@dataclass(frozen=True)
class Place:
    """A store under test, and how to damage what it keeps."""

    store: LargeFileStore
    overwrite: Callable[[str, bytes], object]
    erasures: Callable[[], ErasureList]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        root = tmp_path / "kept"
        return Place(
            LocalFileStore(root),
            lambda sha256, content: (root / sha256[:2] / sha256[2:4] / sha256).write_bytes(content),
            lambda: LocalErasureList(root / "erasures"),
        )
    address = request.getfixturevalue("server")
    name = new_bucket(address)
    bucket = Bucket(name, "desk/files", access_to(address))
    return Place(
        S3FileStore(bucket),
        lambda sha256, content: bucket.put(f"{sha256[:2]}/{sha256[2:4]}/{sha256}", content, media_type=PDF),
        lambda: S3ErasureList(bucket),
    )


@pytest.fixture
def store(place: Place) -> LargeFileStore:
    return place.store


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def in_future() -> datetime:
    """Later than whatever was put, by the machine's clock, which dates files."""
    return datetime.now(UTC) + SOON


def test_what_was_put_comes_back_under_its_hash(store: LargeFileStore) -> None:
    assert store.put(b"a certificate", media_type=PDF) == sha(b"a certificate")
    assert store.get(sha(b"a certificate")) == b"a certificate"


def test_putting_again_changes_nothing(store: LargeFileStore) -> None:
    assert store.put(b"same", media_type=PDF) == store.put(b"same", media_type=PDF)
    assert list(store.kept_before(in_future())) == [sha(b"same")]


@pytest.mark.parametrize(
    "name", [sha(b"never"), "", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n", "a" * 61 + "/.."]
)
def test_what_was_never_put_or_is_no_hash_is_missing(store: LargeFileStore, name: str) -> None:
    with pytest.raises(FileMissing):
        store.get(name)
    with pytest.raises(FileMissing):
        store.fetch(name, io.BytesIO())
    store.remove(name)


@pytest.mark.parametrize("damage", [b"", b"the true conten", b"something else altogether"])
def test_damage_is_never_handed_out_and_heals_when_it_is_put_again(place: Place, damage: bytes) -> None:
    sha256 = place.store.put(b"the true content", media_type=PDF)
    place.overwrite(sha256, damage)
    with pytest.raises(FileMissing, match="damaged"):
        place.store.get(sha256)
    with pytest.raises(FileMissing, match="damaged"):
        place.store.fetch(sha256, io.BytesIO())
    place.store.put(b"the true content", media_type=PDF)
    assert place.store.get(sha256) == b"the true content"
    place.overwrite(sha256, damage)
    place.store.put_file(io.BytesIO(b"the true content"), media_type=PDF)
    assert place.store.get(sha256) == b"the true content"


def test_what_is_removed_is_gone_and_may_come_again(store: LargeFileStore) -> None:
    sha256 = store.put(b"of an erased family", media_type=PDF)
    other = store.put(b"of another", media_type=PDF)
    store.remove(sha256)
    store.remove(sha256)
    with pytest.raises(FileMissing):
        store.get(sha256)
    assert store.get(other) == b"of another"
    assert store.put(b"of an erased family", media_type=PDF) == sha256
    assert store.get(sha256) == b"of an erased family"


@pytest.mark.parametrize("size", [0, 1, 5 * 1024 * 1024, 20 * 1024 * 1024 + 7])
def test_a_large_file_goes_in_and_comes_out_in_pieces(store: LargeFileStore, size: int) -> None:
    content = os.urandom(size)
    file = io.BytesIO(content)
    file.seek(size // 2)
    assert store.put_file(file, media_type="application/zip") == sha(content)
    found = io.BytesIO()
    assert store.fetch(sha(content), found) == size
    assert found.getvalue() == content
    assert store.put_file(io.BytesIO(content), media_type="application/zip") == sha(content)


def test_many_writers_of_one_content_leave_one_whole_file(store: LargeFileStore) -> None:
    content = os.urandom(200_000)
    start, hashes = threading.Barrier(6), list[str]()

    def write() -> None:
        start.wait()
        hashes.append(store.put(content, media_type=PDF))

    writers = [threading.Thread(target=write) for _ in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert hashes == [sha(content)] * 6
    assert list(store.kept_before(in_future())) == [sha(content)]
    assert store.get(hashes[0]) == content


def test_files_are_listed_by_age_and_nothing_else_is(place: Place) -> None:
    kept = {place.store.put(f"file {number}".encode(), media_type=PDF) for number in range(5)}
    place.erasures().add(uuid4(), datetime(2027, 1, 1, tzinfo=UTC))
    assert set(place.store.kept_before(in_future())) == kept
    assert set(place.store.kept_before(datetime.now(UTC) - SOON)) == set()
    assert place.store.forget_unfinished(datetime.now(UTC) - SOON) == 0


def swept(store: LargeFileStore, *named: str, young: bool = False) -> int:
    """Sweep as if a day had gone by since the last, unless what lies there is young."""
    asked: set[str] = set()

    def known(hashes: frozenset[str]) -> frozenset[str]:
        asked.update(hashes)
        return hashes & frozenset(named)

    removed = store.sweep(known, older_than=SOON if young else -SOON)
    assert not (young and asked)
    return removed


def test_what_no_row_names_goes_in_two_steps_and_is_read_until_then(store: LargeFileStore) -> None:
    orphan, kept = store.put(b"orphan", media_type=PDF), store.put(b"kept", media_type=PDF)
    assert swept(store, kept, young=True) == 0
    assert swept(store, kept) == 0
    found = io.BytesIO()
    store.fetch(orphan, found)
    assert store.get(orphan) == found.getvalue() == b"orphan", "set aside, and still read"
    assert swept(store, kept) == 1
    with pytest.raises(FileMissing):
        store.get(orphan)
    assert store.get(kept) == b"kept"


def test_what_is_named_meanwhile_comes_back(store: LargeFileStore) -> None:
    late = store.put(b"late", media_type=PDF)
    assert swept(store) == 0
    assert swept(store, late) == 0
    assert swept(store, late) == 0
    assert list(store.kept_before(in_future())) == [late]
    assert swept(store) == 0
    store.put(b"late", media_type=PDF)  # anew, while it lies aside
    assert swept(store, late) == 0
    assert store.get(late) == b"late"


def test_what_lies_aside_is_removed_with_its_family(store: LargeFileStore) -> None:
    sha256 = store.put(b"of an erased family", media_type=PDF)
    assert swept(store) == 0
    store.remove(sha256)
    with pytest.raises(FileMissing):
        store.get(sha256)


def test_an_empty_store_lists_nothing(store: LargeFileStore) -> None:
    assert list(store.kept_before(in_future())) == []


def test_the_list_of_erasures_keeps_the_first_instant(place: Place) -> None:
    erasures, one, other = place.erasures(), uuid4(), uuid4()
    assert erasures.all() == {}
    first = datetime(2027, 3, 1, 9, 30, 0, 12, tzinfo=UTC)
    erasures.add(one, first)
    erasures.add(one, datetime(2030, 1, 1, tzinfo=UTC))
    erasures.add(other, first + SOON)
    assert place.erasures().all() == {one: first, other: first + SOON}


def test_a_file_put_long_ago_is_young_again_when_it_is_put_again(tmp_path: Path) -> None:
    """Or whoever clears up files that nobody needs takes it between the putting and the row that needs it."""
    store = LocalFileStore(tmp_path)
    sha256 = store.put(b"old", media_type=PDF)
    path = tmp_path / sha256[:2] / sha256[2:4] / sha256
    for large in (False, True):
        os.utime(path, (1, 1))
        assert list(store.kept_before(datetime.now(UTC) - SOON)) == [sha256]
        if large:
            store.put_file(io.BytesIO(b"old"), media_type=PDF)
        else:
            store.put(b"old", media_type=PDF)
        assert list(store.kept_before(datetime.now(UTC) - SOON)) == []


def test_what_a_killed_writer_left_goes_when_it_is_old(tmp_path: Path) -> None:
    store = LocalFileStore(tmp_path)
    sha256 = store.put(b"whole", media_type=PDF)
    left = tmp_path / sha256[:2] / sha256[2:4] / ".unfinished-abc"
    left.write_bytes(b"who")
    assert store.forget_unfinished(datetime.now(UTC) - SOON) == 0
    os.utime(left, (1, 1))
    assert store.forget_unfinished(datetime.now(UTC) - SOON) == 1
    assert not left.exists()
    assert store.get(sha256) == b"whole"


def test_a_bucket_that_is_not_there_is_no_missing_file(server: str) -> None:
    """Whoever took it for one would have every certificate made again, or believe it erased."""
    store = S3FileStore(Bucket("no-such-bucket-here", "", access_to(server)))
    for step in (
        lambda: store.get(sha(b"x")),
        lambda: store.put(b"x", media_type=PDF),
        lambda: list(store.kept_before(in_future())),
    ):
        with pytest.raises(OSError, match="file store"):
            step()


def test_a_server_that_does_not_answer_is_an_os_error_that_names_nothing(server: str) -> None:
    access = Access(endpoint="http://127.0.0.1:9", region="us-east-1", key_id="KEYNAME", secret="very-secret")
    store = S3FileStore(Bucket("bucket", "desk", access))
    assert "very-secret" not in repr(access)
    for step in (
        lambda: store.get(sha(b"x")),
        lambda: store.put(b"x", media_type=PDF),
        lambda: store.put_file(io.BytesIO(b"x"), media_type=PDF),
        lambda: store.fetch(sha(b"x"), io.BytesIO()),
        lambda: store.remove(sha(b"x")),
        lambda: list(store.kept_before(in_future())),
    ):
        with pytest.raises(OSError, match="the file store did not do it") as refused:
            step()
        assert "127.0.0.1" not in str(refused.value)
        assert "KEYNAME" not in str(refused.value)


class _Stubborn(BaseHTTPRequestHandler):
    """Knows no conditions, as older servers do; keeps one file, and may never answer."""

    kept: bytes | None = None
    asked: int = 0

    def do_PUT(self) -> None:
        """Refuse what has a condition."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        status = 501 if "If-None-Match" in self.headers else 200
        if status == 200:
            type(self).kept = content
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.send_header("ETag", '"x"')
        self.end_headers()

    def do_GET(self) -> None:
        """Take longer than anybody waits."""
        type(self).asked += 1
        threading.Event().wait(60)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def stubborn() -> Iterator[str]:
    _Stubborn.kept, _Stubborn.asked = None, 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Stubborn)
    server.daemon_threads, server.block_on_close = True, False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_a_server_without_conditions_keeps_files_all_the_same(stubborn: str) -> None:
    store = S3FileStore(Bucket("bucket", "", access_to(stubborn)))
    # Asked again as every failure of a server is, then put without the condition.
    assert store.put(b"content", media_type=PDF) == sha(b"content")
    assert _Stubborn.kept == b"content"


def test_a_server_that_drags_its_feet_is_not_waited_for(stubborn: str) -> None:
    store = S3FileStore(Bucket("bucket", "", access_to(stubborn), seconds=0.5))
    with pytest.raises(OSError, match="the file store did not do it"):
        store.get(sha(b"x"))
    assert _Stubborn.asked >= 1


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("s3://bucket", ("bucket", "")),
        ("s3://my.bucket-1/", ("my.bucket-1", "")),
        ("s3://bucket/desk/files/", ("bucket", "desk/files")),
        ("s3://bucket/with%20space", ("bucket", "with space")),
    ],
)
def test_an_address_names_bucket_and_prefix(url: str, place: tuple[str, str]) -> None:
    assert place_from_url(url) == place


@pytest.mark.parametrize(
    "url",
    ["s3://", "s3:///x", "s3://Bucket", "s3://b", "s3://key:secret@bucket", "s3://bucket/a/../b", "s3://bucket?x=1"],
)
def test_an_address_that_names_none_is_refused_in_a_sentence(url: str) -> None:
    with pytest.raises(ValueError, match="s3://bucket/prefix"):
        place_from_url(url)


def test_the_settings_name_the_store_its_areas_and_the_list(server: str, tmp_path: Path) -> None:
    name = new_bucket(server)
    in_bucket = load_settings(
        certificate_store=f"s3://{name}/desk",
        certificate_store_endpoint=server,
        certificate_store_region="us-east-1",
        certificate_store_key_id="test",
        certificate_store_secret="test",
    )
    in_folder = load_settings(certificate_store=(tmp_path / "files").as_uri())
    for settings in (in_bucket, in_folder):
        store, batches = store_of(settings), store_of(settings, area=BATCHES)
        kept, batch = store.put(b"certificate", media_type=PDF), batches.put(b"batch", media_type=PDF)
        erasure_list_of(settings).add(uuid4(), datetime(2027, 1, 1, tzinfo=UTC))
        assert list(store.kept_before(in_future())) == [kept], "an area's files are none of the store's"
        assert list(batches.kept_before(in_future())) == [batch]
        assert len(erasure_list_of(settings).all()) == 1
    assert "certificate_store_secret" not in repr(in_bucket)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"certificate_store": "ftp://files.example/"}, "CERTIFICATE_STORE is written"),
        ({"certificate_store": "/srv/files"}, "CERTIFICATE_STORE is written"),
        ({"certificate_store_key_id": "only-half"}, "go together"),
        ({"certificate_store_endpoint": "objects.example"}, "CERTIFICATE_STORE_ENDPOINT is written"),
    ],
)
def test_settings_that_name_no_store_are_refused_at_the_start(fault: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        load_settings(**fault)


def test_the_secret_may_lie_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEY_ID", "SECRET"):
        (tmp_path / name).write_text(f"{name} of the bucket\n")
        monkeypatch.setenv(f"CERTIFICATE_STORE_{name}_FILE", str(tmp_path / name))
    settings: Settings = load_settings()
    assert settings.certificate_store_secret == "SECRET of the bucket"
    assert settings.certificate_store_key_id == "KEY_ID of the bucket"


def test_whoever_has_settings_asks_for_the_store_they_name() -> None:
    """Or a desk with a bucket would look for some of its files in a folder."""
    root = Path(__file__).resolve().parents[2] / "webapp"
    asking = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if "store_from_url" in path.read_text(encoding="utf-8")
    }
    assert asking <= {"clients/files.py"}
