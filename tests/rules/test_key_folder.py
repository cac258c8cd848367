"""The folder of private keys: what others could read or replace is refused, in words and without a word of the key."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from webapp.certificates.credentials.keys import KeyUnusable, make_key
from webapp.certificates.rules import KeyKind
from webapp.certificates.signing.folder import KeyFolder, KeySettings

ID = uuid4()


@pytest.fixture
def folder(tmp_path: Path) -> KeyFolder:
    """A folder with one key of each kind under one id."""
    made = KeyFolder(tmp_path / "deep" / "keys")
    made.keep(KeyKind.ED25519, ID, make_key())
    made.keep(KeyKind.X509, ID, ec.generate_private_key(ec.SECP256R1()))
    return made


def test_keys_are_their_owners_alone(folder: KeyFolder) -> None:
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.path.iterdir()} == {0o600}
    assert folder.ed25519(ID).sign(b"x")
    assert folder.ec(ID).curve.name == "secp256r1"


def test_a_key_is_never_written_over(folder: KeyFolder) -> None:
    before = folder.file(KeyKind.ED25519, ID).read_bytes()
    with pytest.raises(FileExistsError):
        folder.keep(KeyKind.ED25519, ID, make_key())
    assert folder.file(KeyKind.ED25519, ID).read_bytes() == before


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o750, 0o755, 0o720, 0o777])
def test_a_folder_open_to_others_is_refused(folder: KeyFolder, mode: int) -> None:
    folder.path.chmod(mode)
    for use in (folder.ed25519, folder.ec):
        with pytest.raises(KeyUnusable, match="chmod 700"):
            use(ID)
    with pytest.raises(KeyUnusable, match="chmod 700"):
        folder.keep(KeyKind.ED25519, uuid4(), make_key())


@pytest.mark.parametrize("mode", [0o601, 0o604, 0o620, 0o640, 0o644, 0o660])
def test_a_key_open_to_others_is_refused(folder: KeyFolder, mode: int) -> None:
    for kind, use in ((KeyKind.ED25519, folder.ed25519), (KeyKind.X509, folder.ec)):
        folder.file(kind, ID).chmod(mode)
        with pytest.raises(KeyUnusable, match="chmod 600"):
            use(ID)


@pytest.mark.parametrize(
    "weak",
    [
        lambda: ec.generate_private_key(ec.SECP192R1()),
        lambda: ec.generate_private_key(ec.SECP384R1()),
        lambda: rsa.generate_private_key(65537, 1024),
        make_key,
    ],
    ids=["P-192", "P-384", "RSA", "Ed25519"],
)
def test_pdfs_are_signed_with_p256_and_nothing_else(
    folder: KeyFolder, weak: Callable[[], ec.EllipticCurvePrivateKey]
) -> None:
    content = weak().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    folder.file(KeyKind.X509, ID).write_bytes(content)
    with pytest.raises(KeyUnusable, match="another kind of key") as refused:
        folder.ec(ID)
    assert content.decode().splitlines()[1] not in str(refused.value)


def test_what_is_not_there_is_said(tmp_path: Path, folder: KeyFolder) -> None:
    with pytest.raises(KeyUnusable, match="cannot be looked into"):
        KeyFolder(tmp_path / "nowhere").ed25519(ID)
    with pytest.raises(KeyUnusable, match="cannot be read"):
        folder.ed25519(uuid4())
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(KeyUnusable, match="no folder"):
        KeyFolder(tmp_path / "file").check()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_somebody_elses_folder_is_refused(folder: KeyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chown(folder.path, 65534, 65534)
    with pytest.raises(KeyUnusable, match="belongs to somebody else"):
        folder.check()


def test_where_keys_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CERTIFICATE_KEYS", raising=False)
    assert KeySettings(data_dir=tmp_path).folder.path == tmp_path / "keys"
    monkeypatch.setenv("CERTIFICATE_KEYS", str(tmp_path / "elsewhere"))
    assert KeySettings(data_dir=tmp_path).folder.path == tmp_path / "elsewhere"
