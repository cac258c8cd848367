"""Key files: made for their owner alone, and refused when anybody else could read them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from tests.credential_samples import KEY, signing
from webapp.certificates.credentials import multikey
from webapp.certificates.credentials.keys import KeyUnusable, load_key, make_key, public_multibase, write_key


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "issuer.pem"
    write_key(path, KEY)
    return path


def test_a_written_key_comes_back_and_is_its_owner_s_alone(file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_key(file).private_bytes_raw() == KEY.private_bytes_raw()
    assert multikey.decode(public_multibase(load_key(file))) == KEY.public_key().public_bytes_raw()


def test_two_new_keys_differ() -> None:
    assert make_key().private_bytes_raw() != make_key().private_bytes_raw()


def test_a_key_is_never_overwritten(file: Path) -> None:
    before = file.read_bytes()
    with pytest.raises(FileExistsError):
        write_key(file, make_key())
    assert file.read_bytes() == before


def test_nobody_reads_a_key_while_it_is_being_written(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        write_key(tmp_path / "key.pem", KEY)
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o610, 0o601, 0o666])
def test_a_key_open_to_others_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(KeyUnusable, match="open to others"):
        load_key(file)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_for_its_owner_is_taken(file: Path, mode: int) -> None:
    file.chmod(mode)
    load_key(file)


def test_the_file_behind_a_link_counts_and_not_the_link(file: Path, tmp_path: Path) -> None:
    """Mounted secrets are links."""
    link = tmp_path / "link.pem"
    link.symlink_to(file)
    load_key(link)
    file.chmod(0o644)
    with pytest.raises(KeyUnusable, match="open to others"):
        load_key(link)


def test_somebody_else_s_key_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = file.stat().st_uid
    if owner == 0:  # root's own files are taken by anybody, who could not read them otherwise
        os.chown(file, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(KeyUnusable, match="somebody else"):
        load_key(file)


def test_a_folder_and_nothing_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="cannot be read"):
        load_key(tmp_path)
    with pytest.raises(KeyUnusable, match="cannot be read"):
        load_key(tmp_path / "nothing.pem")
    os.mkfifo(tmp_path / "pipe", 0o600)
    reader = os.open(tmp_path / "pipe", os.O_RDWR)  # so that opening it does not wait
    try:
        with pytest.raises(KeyUnusable, match="is not a file"):
            load_key(tmp_path / "pipe")
    finally:
        os.close(reader)


SECRET = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        SECRET[:60],
        SECRET.replace(b"PRIVATE KEY", b"PUBLIC KEY"),
        KEY.public_key().public_bytes_raw(),
        KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")),
        ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        b" " * 5_000 + SECRET,
    ],
)
def test_what_is_no_ed25519_key_is_refused_without_quoting_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyUnusable) as refused:
        load_key(path)
    assert "BEGIN" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_the_private_half_shows_in_no_repr() -> None:
    assert "private" not in repr(signing(KEY))
    assert isinstance(signing(KEY).private, Ed25519PrivateKey)
