"""Keys for tests, and signatures judged by programs that did not make them."""

from __future__ import annotations

import io
import shutil
import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from asn1crypto import pem, x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext
from pypdf import PdfWriter

from webapp.certificates.signing import keeping
from webapp.certificates.signing.folder import KeyFolder
from webapp.core.actor import SYSTEM
from webapp.db.tenancy import acting_as
from webapp.db.work import Database


def with_keys(database: Database, path: Path, *, now: datetime) -> KeyFolder:
    """Make all keys that are missing, in a folder at ``path``. Rings for nobody."""
    folder = KeyFolder(path)
    with acting_as(SYSTEM), Database(database.bind, lambda job, ids: None).unit_of_work() as work:
        keeping.make_missing(work, folder, by=SYSTEM, now=now)
    return folder


def small_pdf(title: str = "A certificate") -> bytes:
    """A page of nothing, with a title."""
    writer = PdfWriter()
    writer.add_blank_page(200, 100)
    writer.add_metadata({"/Title": title})
    content = io.BytesIO()
    writer.write(content)
    return content.getvalue()


@dataclass(frozen=True)
class Verdict:
    """What pyHanko says of a file's only signature."""

    sound: bool
    """The signed bytes are what was signed, by the key of the certificate."""
    whole: bool
    """Nothing was added that the signature does not allow."""
    at: datetime | None
    trusted: bool
    """Given that one trusts just this certificate."""


def judged(content: bytes, certificate_pem: str, *, at: datetime) -> Verdict:
    """What pyHanko says, trusting one certificate, at an instant."""
    _, _, der = pem.unarmor(certificate_pem.encode())
    trust = ValidationContext(trust_roots=[x509.Certificate.load(der)], moment=at, allow_fetching=False)
    (signature,) = PdfFileReader(io.BytesIO(content)).embedded_regular_signatures
    status = validate_pdf_signature(signature, trust)
    return Verdict(
        status.intact and status.valid, status.bottom_line, status.signer_reported_dt, status.trusted and status.intact
    )


def poppler_says(content: bytes, tmp_path: Path) -> str:
    """What ``pdfsig`` of poppler says, which shares no code with pyHanko."""
    if shutil.which("pdfsig") is None:
        pytest.skip("pdfsig of poppler-utils is not installed")
    file = tmp_path / "certificate.pdf"
    file.write_bytes(content)
    return subprocess.run(["pdfsig", str(file)], capture_output=True, text=True, check=False).stdout
