"""Designs, wordings and pictures that tests draw certificates in, and a fresh Python that draws them.

Typst never compiles in the test process itself: a work-horse forked from it by another test would hang.
"""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw

from webapp.certificates.designs.built_in import first_draft
from webapp.certificates.designs.rules import Colours, Design, Part, Wording
from webapp.certificates.pdf import CertificatePayload

PROJECT = Path(__file__).parents[2]
DRAW = """
import base64, json, sys
from webapp.certificates.designs.looks import Look
from webapp.certificates.designs.rules import Design
from webapp.certificates.pdf import CertificatePayload, CertificateRenderer, RenderFailed
renderer = CertificateRenderer()
for line in sys.stdin:
    order = json.loads(line)
    pictures = {part: base64.b64decode(png) for part, png in order["pictures"].items()}
    look = Look(Design.from_json(order["design"], logo=None, signature=None), pictures)
    payload = CertificatePayload.from_json(order["payload"])
    try:
        drawn = {kind: draw(look, payload) for kind, draw in
                 (("pdf", renderer.render_in), ("png", renderer.picture_in)) if kind in order["kinds"]}
        print(json.dumps({kind: base64.b64encode(content).decode() for kind, content in drawn.items()}))
    except RenderFailed as error:
        print(json.dumps({"failed": error.code, "why": str(error)}))
"""

TAMIL: Final = Wording(
    title="நிறைவுச் சான்றிதழ்",
    opening="இதன்மூலம் சான்றளிக்கப்படுவது",
    achievement="இந்தப் பாடநெறியை வெற்றிகரமாக நிறைவு செய்தார்",
    span="{sessions} வகுப்புகள், {first} முதல் {last} வரை",
    taught_by="பயிற்சி: {operator}",
    issuer="{issuer} சார்பாக",
    signatory="அங்கீகரிக்கப்பட்ட கையொப்பம்",
    awarded="வழங்கப்பட்ட நாள்",
    number="சான்றிதழ் எண்",
    verify="சரிபார்க்க",
    qr_alt="சரிபார்ப்பு முகவரியின் QR குறியீடு",
)
KANNADA: Final = Wording(
    title="ಪೂರ್ಣಗೊಳಿಸಿದ ಪ್ರಮಾಣಪತ್ರ",
    opening="ಈ ಮೂಲಕ ಪ್ರಮಾಣೀಕರಿಸುವುದೇನೆಂದರೆ",
    achievement="ಈ ಕೋರ್ಸ್ ಅನ್ನು ಯಶಸ್ವಿಯಾಗಿ ಪೂರ್ಣಗೊಳಿಸಿದ್ದಾರೆ",
    span="{sessions} ತರಗತಿಗಳು, {first} ರಿಂದ {last} ವರೆಗೆ",
    taught_by="ತರಬೇತಿ: {operator}",
    issuer="{issuer} ಪರವಾಗಿ",
    signatory="ಅಧಿಕೃತ ಸಹಿದಾರರು",
    awarded="ನೀಡಿದ ದಿನಾಂಕ",
    number="ಪ್ರಮಾಣಪತ್ರ ಸಂಖ್ಯೆ",
    verify="ಪರಿಶೀಲಿಸಲು",
    qr_alt="ಪರಿಶೀಲನೆಯ ವಿಳಾಸದ QR ಸಂಕೇತ",
)
BENGALI: Final = Wording(
    title="সমাপ্তির শংসাপত্র",
    opening="এতদ্বারা প্রত্যয়ন করা যাচ্ছে যে",
    achievement="এই কোর্সটি সফলভাবে সম্পন্ন করেছেন",
    span="{sessions}টি ক্লাস, {first} থেকে {last} পর্যন্ত",
    taught_by="প্রশিক্ষণ: {operator}",
    issuer="{issuer}-এর পক্ষে",
    signatory="অনুমোদিত স্বাক্ষরকারী",
    awarded="প্রদানের তারিখ",
    number="শংসাপত্র নম্বর",
    verify="যাচাই করুন",
    qr_alt="যাচাইয়ের ঠিকানার QR কোড",
)
ARABIC: Final = Wording(
    title="شهادة إتمام",
    opening="نشهد بأن",
    achievement="قد أتمّ بنجاح الدورة",
    span="{sessions} حصة، من {first} إلى {last}",
    taught_by="التدريب: {operator}",
    issuer="عن {issuer}",
    signatory="المخوّل بالتوقيع",
    awarded="تاريخ المنح",
    number="رقم الشهادة",
    verify="للتحقق",
    qr_alt="رمز QR لعنوان التحقق من الشهادة",
)
DESIGN: Final = replace(
    first_draft(),
    wording=dict(first_draft().wording) | {"ta": TAMIL, "kn": KANNADA, "bn": BENGALI, "ar": ARABIC},
    colours=Colours(ink="#12402f", name="#7a1f3d", ornament="#2f7d5b"),
    signatory_name="Dr. Vasundhara Rao",
    signatory_title="Head of Music",
)
PAYLOAD: Final = CertificatePayload(
    number="ZD-26-7K3QM-X94RT",
    student_name="Ananya Lakshmi Raghunathan",
    course_name="Carnatic Violin for Beginners",
    operator_name="Zonedesk Guntur",
    issued_by="Zonedesk Learning",
    total_sessions=30,
    awarded_on=date(2026, 6, 13),
    first_session_on=date(2026, 5, 4),
    last_session_on=date(2026, 6, 12),
    verify_url="https://desk.example.org/verify/ZD-26-7K3QM-X94RT/k2Jx9aQeR7vT4mBzN1pWcwk2Jx9aQeR7",
    locale="en",
)


def png(image: Image.Image) -> bytes:
    """A picture as a PNG file."""
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def logo() -> bytes:
    """A see-through logo, wider than high."""
    made = Image.new("RGBA", (640, 320), (0, 0, 0, 0))
    pen = ImageDraw.Draw(made)
    pen.ellipse((20, 20, 300, 300), fill=(47, 125, 91, 255))
    pen.rectangle((330, 130, 630, 190), fill=(122, 31, 61, 160))
    return png(made)


def signature() -> bytes:
    """A line of ink, as somebody signs."""
    made = Image.new("RGBA", (600, 200), (0, 0, 0, 0))
    points = [(20 + 28 * step, 100 + (60 if step % 2 else -60)) for step in range(20)]
    ImageDraw.Draw(made).line(points, fill=(20, 20, 90, 255), width=7)
    return png(made)


PICTURES: Final = {Part.LOGO: logo(), Part.SIGNATURE: signature()}


@dataclass(frozen=True)
class Order:
    """One certificate to draw, as the kinds of file named."""

    payload: CertificatePayload = PAYLOAD
    design: Design = DESIGN
    pictures: dict[Part, bytes] = field(default_factory=lambda: dict(PICTURES))
    kinds: tuple[str, ...] = ("pdf",)


@dataclass(frozen=True)
class Drawn:
    """What became of an order: files by kind, or the code and the reason of a refusal."""

    files: dict[str, bytes]
    code: str | None
    why: str

    @property
    def pdf(self) -> bytes:
        """The PDF of an order that was drawn."""
        assert self.code is None, self.why
        return self.files["pdf"]


def draw(orders: Sequence[Order]) -> list[Drawn]:
    """Draw every order in one new process. An exception other than ``RenderFailed`` ends it, and fails the test."""
    lines = [
        json.dumps(
            {
                "payload": order.payload.to_json(),
                "design": order.design.to_json(),
                "pictures": {part: base64.b64encode(content).decode() for part, content in order.pictures.items()},
                "kinds": order.kinds,
            }
        )
        for order in orders
    ]
    done = subprocess.run(
        [sys.executable, "-c", DRAW],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=PROJECT,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(orders)
    return [
        Drawn(
            {kind: base64.b64decode(content) for kind, content in answer.items() if kind in ("pdf", "png")},
            answer.get("failed"),
            answer.get("why", ""),
        )
        for answer in answers
    ]
