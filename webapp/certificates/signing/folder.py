"""The folder of private keys. Only the worker and whoever keeps the keys may look into it: mode 0700, files 0600.

``CERTIFICATE_KEYS``, or ``<DATA_DIR>/keys``. It is a setting of its own class, so that what the web process is given
(``webapp.config.Settings``) does not say where the keys are.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic_settings import BaseSettings, SettingsConfigDict

from webapp.certificates.credentials.keys import KeyUnusable, load_ec_key, load_key, write_key
from webapp.certificates.rules import KeyKind

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class KeySettings(BaseSettings):
    """Where private keys are, from the environment."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", case_sensitive=False)

    certificate_keys: Path | None = None
    data_dir: Path = Path("var")

    @property
    def folder(self) -> KeyFolder:
        """The folder of private keys."""
        return KeyFolder((self.certificate_keys or self.data_dir / "keys").resolve())


class KeyFolder:
    """Private keys as files in PEM, named by the id of their public half in the database."""

    def __init__(self, path: Path) -> None:
        """Keys lie in ``path``, an absolute one."""
        self.path = path

    def make(self) -> None:
        """Make the folder, open to its owner alone. Raises ``KeyUnusable`` as ``check`` does, and ``OSError``."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.check()

    def check(self) -> None:
        """Raise ``KeyUnusable`` when the folder is missing, somebody else's, or others may do anything in it.

        Whoever may write there could put another key in place of ours.
        """
        try:
            about = self.path.stat()
        except OSError as error:
            raise KeyUnusable(f"{self.path} cannot be looked into: {error.strerror}") from error
        if not stat.S_ISDIR(about.st_mode):
            raise KeyUnusable(f"{self.path} is no folder")
        if about.st_mode & _OTHERS:
            raise KeyUnusable(f"{self.path} is open to others: chmod 700 it")
        if about.st_uid not in (0, os.geteuid()):
            raise KeyUnusable(f"{self.path} belongs to somebody else")

    def file(self, kind: KeyKind, key_id: UUID) -> Path:
        """Where the private half of a key lies."""
        return self.path / f"{kind}-{key_id}.pem"

    def keep(self, kind: KeyKind, key_id: UUID, private: Ed25519PrivateKey | EllipticCurvePrivateKey) -> None:
        """Write a new key, so that it outlasts a crash. Raises ``KeyUnusable`` and ``OSError``."""
        self.make()
        write_key(self.file(kind, key_id), private)
        handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def ed25519(self, key_id: UUID) -> Ed25519PrivateKey:
        """The key that signs credentials. Raises ``KeyUnusable``."""
        self.check()
        return load_key(self.file(KeyKind.ED25519, key_id))

    def ec(self, key_id: UUID) -> EllipticCurvePrivateKey:
        """A key that signs PDFs. Raises ``KeyUnusable``."""
        self.check()
        return load_ec_key(self.file(KeyKind.X509, key_id))
