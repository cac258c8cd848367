"""The floor: Typst's own call and pyHanko's, one after the other, and nothing of the desk around them.

Reads payloads as JSON from standard input, and prints the seconds that all of them took, signed as pyHanko documents
it and by the desk's own signer. What is drawn is worked out before the clock runs, and each way has made one file
already.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from datetime import time as time_of_day

import typst
from asn1crypto import keys, pem, x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko_certvalidator.registry import SimpleCertificateStore

from webapp.certificates.designs.built_in import built_in_design
from webapp.certificates.designs.looks import Look, inputs
from webapp.certificates.pdf import FONTS, LAYOUTS, TEMPLATES, CertificatePayload
from webapp.certificates.signing.certificate import self_made
from webapp.certificates.signing.pades import FIELD, PdfSeal

Sign = Callable[[bytes], bytes]


def as_documented(private: EllipticCurvePrivateKey, certificate: str) -> Sign:
    """pyHanko's own signer, as its manual has it."""
    _, _, der = pem.unarmor(certificate.encode())
    raw = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    signer = SimpleSigner(
        signing_cert=x509.Certificate.load(der),
        signing_key=keys.PrivateKeyInfo.load(raw),
        cert_registry=SimpleCertificateStore(),  # type: ignore[no-untyped-call]  # pyHanko leaves it untyped
    )
    about = PdfSignatureMetadata(field_name=FIELD, md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES)

    def sign(pdf: bytes) -> bytes:
        made = PdfSigner(about, signer, new_field_spec=SigFieldSpec(FIELD)).sign_pdf(
            IncrementalPdfFileWriter(io.BytesIO(pdf))
        )
        return bytes(made.getbuffer())

    return sign


def main() -> None:
    """Make them all, both ways."""
    payloads = [CertificatePayload.from_json(payload) for payload in json.load(sys.stdin)]
    look = Look(built_in_design())
    drawn = [(payload, inputs(payload, look)) for payload in payloads]
    compiler = typst.Compiler(
        root=TEMPLATES,
        font_paths=typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[FONTS]),
        ignore_system_fonts=True,
    )

    def draw(payload: CertificatePayload, said: dict[str, str]) -> bytes:
        content = compiler.compile(
            TEMPLATES / LAYOUTS[look.design.layout],
            format="pdf",
            sys_inputs=said,
            pdf_standards=["a-2a"],
            timestamp=datetime.combine(payload.awarded_on, time_of_day(), UTC),
        )
        assert isinstance(content, bytes)
        return content

    private, now = generate_private_key(SECP256R1()), datetime.now(UTC)
    certificate = self_made(private, "Bench", "Bench", now=now)
    seal = PdfSeal(certificate, private)
    ways: dict[str, Sign] = {
        "documented": as_documented(private, certificate),
        "loaded": lambda pdf: seal.sign(pdf, at=now),
    }
    took = {}
    for how, sign in ways.items():
        sign(draw(*drawn[0]))
        began = time.perf_counter()
        for payload, said in drawn:
            sign(draw(payload, said))
        took[how] = time.perf_counter() - began
    print(json.dumps(took))


if __name__ == "__main__":
    main()
