"""Many certificates in one file: all is there, nothing looks signed that is not, and memory stays flat."""

from __future__ import annotations

import io
import subprocess
import sys
import unicodedata
import zipfile
from datetime import UTC, datetime

import pikepdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.jobs.pdfs import annotations_of, pages_of, signed_looking
from tests.services import ROOT
from webapp.certificates.joining import AT_A_TIME, CannotRead, PdfToPrint, ZipOfFiles, file_name, joining

AT = datetime(2027, 3, 5, 12, 30, tzinfo=UTC)
NUMBER = "ZD-27-00000-0000Y"


@pytest.mark.parametrize("count", [1, AT_A_TIME, 2 * AT_A_TIME + 3])
def test_the_pages_stand_in_one_pdf_in_their_order(count: int) -> None:
    words = [f"certificate {number}" for number in range(count)]
    with joining(PdfToPrint("mark")) as joined:
        for word in words:
            joined.add(word, "", signed_looking(word))
        with joined.finish() as file:
            content = file.read() if file.seek(0) == 0 else b""
    assert pages_of(content) == words
    with pikepdf.Pdf.open(io.BytesIO(content)) as pdf:
        assert "/AcroForm" not in pdf.Root, "nothing asks a reader to look for signatures"
        assert "/Metadata" not in pdf.Root, "and no conformance is claimed that nobody has checked"
        assert str(pdf.docinfo["/Keywords"]) == "mark"
        assert all("/StructParents" not in page.obj for page in pdf.pages)
    assert annotations_of(content) == [["/Link"]] * count


@pytest.mark.parametrize("rubbish", [b"", b"%PDF-1.7 and then nothing", b"PK\x03\x04", signed_looking("x")[:300]])
def test_a_file_that_is_no_pdf_leaves_the_others_as_they_are(rubbish: bytes) -> None:
    with joining(PdfToPrint("mark")) as joined:
        joined.add("1", "", signed_looking("one"))
        with pytest.raises(CannotRead):
            joined.add("2", "", rubbish)
        joined.add("3", "", signed_looking("three"))
        with joined.finish() as file:
            file.seek(0)
            assert pages_of(file.read()) == ["one", "three"]


def test_the_zip_holds_the_files_as_they_are() -> None:
    contents = {f"{NUMBER[:-1]}{number}": signed_looking(str(number)) for number in range(3)}
    with joining(ZipOfFiles("mark", AT)) as joined:
        for number, content in contents.items():
            joined.add(number, "మీనా రావు", content)
        with pytest.raises(CannotRead):
            joined.add("4", "", b"no pdf")
        with joined.finish() as file, zipfile.ZipFile(file) as found:
            assert {name: found.read(name) for name in found.namelist()} == {
                f"{number} మీనా రావు.pdf": content for number, content in contents.items()
            }
            assert found.comment == b"mark"
            assert found.testzip() is None
            assert found.infolist()[0].date_time == (2027, 3, 5, 12, 30, 0)


@pytest.mark.parametrize(
    ("student", "name"),
    [
        ("Meena Rao", f"{NUMBER} Meena Rao.pdf"),
        ("../../etc/passwd", f"{NUMBER} etc passwd.pdf"),
        ('a\\b:c*d?e"f<g>h|i', f"{NUMBER} a b c d e f g h i.pdf"),
        ("CON", f"{NUMBER} CON.pdf"),
        ("\u202egnp.exe", f"{NUMBER} gnp exe.pdf"),
        ("", f"{NUMBER}.pdf"),
        ("...", f"{NUMBER}.pdf"),
        ("Siân O'Brien", f"{NUMBER} Siân O Brien.pdf"),
    ],
)
def test_names_are_safe_on_every_file_system(student: str, name: str) -> None:
    assert file_name(NUMBER, student) == name


@given(st.text())
def test_no_name_of_a_student_makes_a_name_that_no_file_can_have(student: str) -> None:
    name = file_name(NUMBER, student)
    assert name.startswith(NUMBER)
    assert name.endswith(".pdf")
    assert name.count(".") == 1
    assert len(name.encode()) <= 120
    assert not set(name) & set('/\\:*?"<>|')
    assert not {unicodedata.category(letter) for letter in name} & {"Cc", "Cf", "Cs"}
    assert name == " ".join(name.split())


MEASURE = """
import resource, sys
from datetime import UTC, datetime
from tests.jobs.pdfs import signed_looking
from webapp.certificates.joining import PdfToPrint, ZipOfFiles, joining
made = PdfToPrint("m") if sys.argv[1] == "pdf" else ZipOfFiles("m", datetime(2027, 1, 1, tzinfo=UTC))
with joining(made) as joined:
    for number in range(int(sys.argv[2])):
        joined.add(str(number), "", signed_looking(str(number), weight=200_000))
    with joined.finish() as file:
        size = file.seek(0, 2)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, size // 1024**2)
"""
"""In a process of its own: this one's memory is every test's."""


def measured(kind: str, count: int) -> tuple[int, int]:
    """The most memory a process took, and the size of the file, both in MiB."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, kind, str(count)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    memory, size = done.stdout.split()
    return int(memory), int(size)


@pytest.mark.parametrize("kind", ["pdf", "zip"])
def test_memory_does_not_grow_with_the_file(kind: str) -> None:
    few, many = measured(kind, 2 * AT_A_TIME), measured(kind, 1000)
    assert many[1] - few[1] > 150, "the file is larger than what may be in memory"
    assert many[0] - few[0] < 60, f"{few} → {many}"
