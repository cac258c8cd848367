"""The certificate's PDF, read back as a person and a phone would read it.

Typst never compiles in the test process itself: a work-horse forked from it by another test would hang. Each batch is
drawn by a fresh Python.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import secrets
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import zxingcpp
from pypdf import PdfReader
from pypdf.generic import DictionaryObject

from webapp.certificates.designs.built_in import built_in_design
from webapp.certificates.designs.looks import Look, inputs
from webapp.certificates.pdf import FONTS, CertificatePayload, printable_name
from webapp.certificates.rules import draw_number

Drawn = dict[str, bytes | str]

PROJECT = Path(__file__).parents[2]
DRAW = """
import base64, json, sys
from pathlib import Path
from webapp.certificates.pdf import CertificatePayload, CertificateRenderer, RenderFailed
renderer = CertificateRenderer(Path(sys.argv[1]))
for line in sys.stdin:
    try:
        pdf = renderer.render(CertificatePayload.from_json(json.loads(line)))
        print(json.dumps({"pdf": base64.b64encode(pdf).decode()}))
    except RenderFailed as error:
        print(json.dumps({"failed": str(error)}))
"""
MARKUP = '#panic() *Asha* $x$ \\ "quoted" #eval("1") @ref <label> // not a comment'
PLAIN = CertificatePayload(
    number="ZD-26-7K3QM-X94RT",
    student_name="Ananya Lakshmi Raghunathan",
    course_name="Carnatic Violin for Beginners",
    operator_name="Zonedesk Guntur",
    issued_by="Zonedesk Learning",
    total_sessions=30,
    awarded_on=date(2026, 6, 13),
    first_session_on=date(2026, 5, 4),
    last_session_on=date(2026, 6, 12),
    verify_url="https://desk.example.org/verify/ZD-26-7K3QM-X94RT?t=k2Jx9aQeR7vT4mBzN1pWcw",
    locale="en",
)
SAMPLES = {
    "english": PLAIN,
    "hindi": replace(PLAIN, locale="hi", student_name="ऐश्वर्या लक्ष्मी शर्मा क्षत्रिय", course_name="शुरुआती वायलिन"),
    "telugu": replace(PLAIN, locale="te_IN", student_name="శ్రీనివాస రామకృష్ణ వెంకటేశ్వర్లు", course_name="వైష్ణవ సంగీతం"),
    "arabic": replace(PLAIN, student_name="محمد عبد الرحمن"),
    "seven scripts": replace(PLAIN, student_name="தமிழ் ಕನ್ನಡ বাংলা ਪੰਜਾਬੀ ગુજરાતી മലയാളം ଓଡ଼ିଆ"),
    "markup": replace(PLAIN, student_name=MARKUP),
    "long words": replace(
        PLAIN, student_name="W" * 200, course_name="W" * 200, operator_name="W" * 200, issued_by="M" * 200
    ),
    "long name": replace(PLAIN, student_name=("Venkata Satyanarayana Subrahmanya " * 6)[:200].strip()),
    "own school": replace(PLAIN, operator_name=PLAIN.issued_by),
    "french": replace(PLAIN, locale="fr"),
    "other day": replace(PLAIN, awarded_on=date(2026, 6, 14)),
}


def draw(payloads: list[CertificatePayload], *, fonts: Path = FONTS) -> list[Drawn]:
    """Draw each payload in a new process: ``{"pdf": bytes}`` or ``{"failed": why}``."""
    done = subprocess.run(
        [sys.executable, "-c", DRAW, str(fonts)],
        input="".join(json.dumps(payload.to_json()) + "\n" for payload in payloads),
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=PROJECT,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return [{"pdf": base64.b64decode(a["pdf"])} if "pdf" in a else a for a in answers]


@pytest.fixture(scope="module")
def pdfs() -> dict[str, bytes]:
    """Every sample, drawn by one process."""
    drawn = dict(zip(SAMPLES, draw(list(SAMPLES.values())), strict=True))
    failed = {name: answer["failed"] for name, answer in drawn.items() if "failed" in answer}
    assert not failed
    return {name: bytes(answer["pdf"]) for name, answer in drawn.items() if isinstance(answer["pdf"], bytes)}


def words(pdf: bytes) -> str:
    """The page's text in NFC, line ends as single spaces."""
    text = PdfReader(io.BytesIO(pdf)).pages[0].extract_text()
    return unicodedata.normalize("NFC", " ".join(text.split()))


def unspaced(text: str) -> str:
    return "".join(unicodedata.normalize("NFC", text).split())


def poppler(tool: str) -> Callable[..., bytes]:
    """A command of poppler that reads a PDF on its standard input; the test is skipped where it is not installed."""
    found = shutil.which(tool)
    if found is None:
        pytest.skip(f"{tool} is not installed")
    return lambda pdf, *options: (
        subprocess.run([found, *options], input=pdf, capture_output=True, check=True, timeout=60).stdout
    )


@pytest.mark.parametrize("name", SAMPLES)
def test_a_certificate_is_one_landscape_page_of_a4(pdfs: dict[str, bytes], name: str) -> None:
    pages = PdfReader(io.BytesIO(pdfs[name])).pages
    assert len(pages) == 1
    width, height = float(pages[0].mediabox.width), float(pages[0].mediabox.height)
    assert width == pytest.approx(841.89, abs=0.1)
    assert height == pytest.approx(595.28, abs=0.1)


@pytest.mark.parametrize("name", ["english", "markup", "long name"])
def test_what_is_written_in_latin_letters_can_be_copied_out(pdfs: dict[str, bytes], name: str) -> None:
    text, said = words(pdfs[name]), SAMPLES[name]
    for part in (said.student_name, said.course_name, said.number):
        assert part in text


@pytest.mark.parametrize("name", ["hindi", "telugu", "seven scripts", "arabic"])
def test_a_name_in_any_script_can_be_copied_out(pdfs: dict[str, bytes], name: str) -> None:
    """Poppler, as pypdf does not know the ActualText that Indic clusters need. It guesses spaces: they do not count."""
    text = poppler("pdftotext")(pdfs[name], "-", "-").decode("utf-8")
    for part in (SAMPLES[name].student_name, SAMPLES[name].course_name):
        assert unspaced(part) in unspaced(text)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_document_says_exactly_whose_it_is(pdfs: dict[str, bytes], name: str) -> None:
    metadata = PdfReader(io.BytesIO(pdfs[name])).metadata
    assert metadata is not None
    assert metadata.subject == f"{SAMPLES[name].student_name}, {SAMPLES[name].course_name}"
    assert metadata.author == SAMPLES[name].issued_by


def test_the_page_says_what_was_done_and_when(pdfs: dict[str, bytes]) -> None:
    text = words(pdfs["english"])
    for part in (
        "Certificate of Completion",
        "30 sessions, from 4 May 2026 to 12 June 2026",
        "Taught by Zonedesk Guntur",
        "13 June 2026",
        "Authorised signatory",
        "For Zonedesk Learning",
    ):
        assert part in text
    assert PLAIN.verify_url in text.replace(" ", "")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hindi", ["पूर्णता प्रमाणपत्र", "30 सत्र, 4 मई 2026 से 12 जून 2026 तक", "13 जून 2026", "Zonedesk Learning की ओर से"]),
        ("telugu", ["కోర్సు పూర్తి ధ్రువపత్రం", "30 సెషన్లు, 4 మే 2026 నుండి 12 జూన్ 2026 వరకు", "శిక్షణ: Zonedesk Guntur"]),
    ],
)
def test_the_page_speaks_the_familys_language(pdfs: dict[str, bytes], name: str, said: list[str]) -> None:
    text = unspaced(poppler("pdftotext")(pdfs[name], "-", "-").decode("utf-8"))
    for part in said:
        assert unspaced(part) in text


def test_a_language_without_wording_reads_english(pdfs: dict[str, bytes]) -> None:
    assert words(pdfs["french"]) == words(pdfs["english"])


def test_a_course_the_issuer_taught_itself_does_not_name_it_twice(pdfs: dict[str, bytes]) -> None:
    assert "Taught by" not in words(pdfs["own school"])


def test_markup_in_a_name_is_printed_and_never_run(pdfs: dict[str, bytes]) -> None:
    assert MARKUP in words(pdfs["markup"])


def test_a_name_of_200_characters_stays_on_the_page_whole(pdfs: dict[str, bytes]) -> None:
    assert SAMPLES["long name"].student_name in words(pdfs["long name"])
    unbroken = words(pdfs["long words"]).replace(" ", "").replace("\u200b", "")
    assert unbroken.count("W" * 200) == 3
    assert unbroken.count("M" * 200) == 2


def test_every_font_is_ours_and_inside_the_file(pdfs: dict[str, bytes]) -> None:
    for pdf in pdfs.values():
        fonts = PdfReader(io.BytesIO(pdf)).pages[0]["/Resources"]["/Font"]  # type: ignore[index]  # untyped in pypdf
        assert len(fonts) >= 2
        for reference in fonts.values():
            font = reference.get_object()
            assert "Noto" in font["/BaseFont"]
            assert embedded(font)


def embedded(font: DictionaryObject) -> bool:
    """Whether the font's program is in the file: what a composite font's descriptor points to."""
    descriptor = font["/DescendantFonts"][0].get_object()["/FontDescriptor"]  # type: ignore[index]  # untyped in pypdf
    return any(key in descriptor for key in ("/FontFile", "/FontFile2", "/FontFile3"))


def test_each_script_has_its_own_font(pdfs: dict[str, bytes]) -> None:
    listed = poppler("pdffonts")
    for name, font in (("hindi", "NotoSansDevanagari"), ("telugu", "NotoSerifTelugu"), ("arabic", "NotoNaskhArabic")):
        assert font in listed(pdfs[name], "-").decode()


def test_the_document_is_tagged_titled_and_marked_for_archives(pdfs: dict[str, bytes]) -> None:
    reader = PdfReader(io.BytesIO(pdfs["telugu"]))
    assert reader.metadata is not None
    assert PLAIN.number in str(reader.metadata.title)
    assert str(reader.root_object["/Lang"]) == "te"
    assert "/StructTreeRoot" in reader.root_object
    packet = reader.root_object["/Metadata"].get_object().get_data().decode()  # type: ignore[union-attr]
    assert "<pdfaid:part>2</pdfaid:part>" in packet
    assert "<pdfaid:conformance>A</pdfaid:conformance>" in packet


def test_the_same_payload_gives_the_same_bytes_in_another_process(pdfs: dict[str, bytes]) -> None:
    again = draw([SAMPLES["telugu"], SAMPLES["english"], SAMPLES["english"]])
    assert [answer["pdf"] for answer in again] == [pdfs["telugu"], pdfs["english"], pdfs["english"]]
    assert pdfs["other day"] != pdfs["english"]


@pytest.mark.parametrize("name", ["english", "telugu"])
def test_a_phone_reads_the_link_from_the_printed_page(pdfs: dict[str, bytes], name: str) -> None:
    picture = poppler("pdftoppm")(pdfs[name], "-r", "110", "-gray", "-singlefile", "-")
    kind, size, _most, pixels = picture.split(b"\n", 3)
    assert kind == b"P5"
    width, height = map(int, size.split())
    found = zxingcpp.read_barcodes(memoryview(pixels).cast("B", (height, width)))
    assert [code.text for code in found] == [SAMPLES[name].verify_url]


def test_codes_with_the_one_mask_are_read_whatever_they_say() -> None:
    """No phone has to see a page: a code is read from as few pixels as its modules have, twice over, and some white."""
    for number in range(60):
        address = f"https://desk.example.org/verify/{draw_number(2026)}/{secrets.token_urlsafe(24)}"
        svg = inputs(replace(PLAIN, verify_url=address), Look(built_in_design()))["qr_svg"]
        assert [code.text for code in zxingcpp.read_barcodes(dots(svg))] == [address], f"number {number}"


def dots(svg: str, scale: int = 2, quiet: int = 4) -> memoryview:
    """The grey picture of a code that segno drew: runs of dark modules, each row from its own left end."""
    (size,) = re.findall(r'width="(\d+)"', svg)
    side = (int(size) + 2 * quiet) * scale
    picture = bytearray(b"\xff") * (side * side)
    x = y = 0.0
    for verb, numbers in re.findall(r"([Mmh])([-\d. ]+)", svg.split(' d="')[1]):
        moved = [float(number) for number in re.findall(r"-?\d+\.?\d*", numbers)]
        if verb == "h":
            for row in range(scale):
                start = ((int(y) + quiet) * scale + row) * side + (int(x) + quiet) * scale
                picture[start : start + int(moved[0]) * scale] = bytes(int(moved[0]) * scale)
            x += moved[0]
        else:
            x, y = (moved[0], moved[1]) if verb == "M" else (x + moved[0], y + moved[1])
    return memoryview(picture).cast("B", (side, side))


def test_a_missing_font_fails_instead_of_printing_boxes(tmp_path: Path) -> None:
    for font in FONTS.glob("*.ttf"):
        if "Telugu" not in font.name:
            shutil.copy(font, tmp_path)
    (answer,) = draw([PLAIN], fonts=tmp_path)
    assert "unknown font family: noto serif telugu" in str(answer.get("failed"))


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (replace(PLAIN, student_name="Asha 中文"), "could not be displayed"),
        (replace(PLAIN, student_name="\u202e\u200b \u00ad"), "student_name has no visible character"),
        (replace(PLAIN, student_name="W" * 2000), "too long for its place"),
        (replace(PLAIN, design_version=99), "no certificate design 99"),
    ],
)
def test_what_cannot_be_drawn_faultlessly_is_not_drawn(payload: CertificatePayload, why: str) -> None:
    answer, healthy = draw([payload, PLAIN])
    assert why in str(answer.get("failed"))
    assert "Asha" not in str(answer.get("failed"))  # the reason is logged, the name is not
    assert "pdf" in healthy  # and the compiler is still good


def test_the_vendored_fonts_are_the_listed_files() -> None:
    lines = (FONTS / "VENDOR.txt").read_text("utf-8").splitlines()
    listed = {name: sha256 for sha256, name in (line.split() for line in lines if line.endswith(".ttf"))}
    assert listed == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FONTS.glob("*.ttf")}
    assert not list(FONTS.glob("*.woff*"))


def test_importing_the_module_does_not_load_typst() -> None:
    probe = "import sys, webapp.certificates.pdf; sys.exit('typst' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], cwd=PROJECT, timeout=60, check=False).returncode == 0


def test_a_payload_survives_its_column() -> None:
    stored = json.loads(json.dumps(SAMPLES["hindi"].to_json()))
    assert CertificatePayload.from_json(stored) == SAMPLES["hindi"]


@pytest.mark.parametrize(
    "change", [{"number": 5}, {"total_sessions": "30"}, {"total_sessions": True}, {"awarded_on": "soon"}, {"more": "x"}]
)
def test_a_payload_of_another_shape_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"certificate payload|isoformat"):
        CertificatePayload.from_json(PLAIN.to_json() | change)


def test_a_payload_without_a_field_is_refused() -> None:
    with pytest.raises(ValueError, match="locale"):
        CertificatePayload.from_json({k: v for k, v in PLAIN.to_json().items() if k != "locale"})


@pytest.mark.parametrize(
    ("raw", "printed"),
    [
        ("  Asha \t\n Rao ", "Asha Rao"),
        ("Asha\u0000\u0007\u200b\ufeff\u00adRao", "AshaRao"),
        ("\u202eoaR\u202c \u2066Asha\u2069", "oaR Asha"),
        ("Ra\u200dm", "Ram"),
        ("e\u0301", "é"),
        ("रक्\u200dष", "रक्\u200dष"),
        ("రామ్\u200c", "రామ్\u200c"),
        ("\u200dक\u200d\u200d", "क\u200d"),
        ("می\u200cرود", "می\u200cرود"),
        ("\ue000\U000f0000Asha\u3164\u2800", "Asha"),
        ("\u202e\u200b", ""),
    ],
)
def test_only_what_shows_is_printed(raw: str, printed: str) -> None:
    assert printable_name(raw) == printed
    assert printable_name(printed) == printed
