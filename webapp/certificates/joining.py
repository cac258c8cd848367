"""Putting many certificates into one file, with few of them in memory at a time.

Everything lies in unnamed temporary files of the system: a killed process leaves nothing behind.
"""

from __future__ import annotations

import io
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, BinaryIO, Final, Protocol, cast

import pikepdf

AT_A_TIME: Final = 50
"""Certificates whose pages are open together. Joined ones wait in a file until all are there."""
_LONGEST_NAME: Final = 80
"""Bytes of a student's name in the name of a file; file systems take 255 for the whole."""
_KEPT_KINDS: Final = ("L", "M", "N")
"""Letters, marks and digits of every script."""


class CannotRead(Exception):
    """A file that is no PDF."""


class Joined(Protocol):
    """Takes certificates one after the other."""

    def add(self, number: str, student_name: str, content: bytes) -> None:
        """Put one more in. Raises ``CannotRead`` and leaves what is there as it is."""

    def finish(self) -> BinaryIO:
        """The file, whole; nothing can be added any more."""


class PdfToPrint:
    """All pages in one PDF, for the printer.

    A signature covers the bytes of its own file, so none survives: fields that would show a broken one are taken out,
    and so is what ties pages to a structure that stays behind. Links and looks stay.
    """

    def __init__(self, mark: str) -> None:
        """``mark`` tells this file from every other; it is kept in its properties."""
        self._mark = mark
        self._open: list[pikepdf.Pdf] = []
        self._part = pikepdf.Pdf.new()
        self._parts: list[BinaryIO] = []

    def add(self, number: str, student_name: str, content: bytes) -> None:
        """See :meth:`Joined.add`."""
        try:
            source = pikepdf.Pdf.open(io.BytesIO(content))
            pages = [*source.pages]
            for page in pages:
                _without_signature(page)
        except pikepdf.PdfError as error:
            raise CannotRead(number) from error
        if not pages:
            raise CannotRead(number)
        self._open.append(source)
        self._part.pages.extend(pages)
        if len(self._open) >= AT_A_TIME:
            self._put_by()

    def finish(self) -> BinaryIO:
        """See :meth:`Joined.finish`."""
        self._put_by()
        with _unnamed() as about, pikepdf.Pdf.new() as empty:
            empty.docinfo["/Title"] = "Certificates"
            empty.docinfo["/Keywords"] = self._mark
            empty.save(about)
            file = _unnamed()
            # By QPDF's own job, which leaves pages in their files until it writes them; copied from one Pdf of ours
            # into another, all of them would be in memory at once.
            parts = [word for part in self._parts for word in (_path_of(part), "1-z")]
            job = [_path_of(about), "--pages", *parts, "--", "--object-streams=generate", _path_of(file)]
            pikepdf.Job(["pikepdf", *job]).run()
        self.close()
        return file

    def close(self) -> None:
        """Let go of everything."""
        self._part.close()
        for source in self._open:
            source.close()
        for part in self._parts:
            part.close()
        self._open, self._parts = [], []

    def _put_by(self) -> None:
        """Write what is open into a file of its own, and close it: memory is bounded by ``AT_A_TIME`` certificates."""
        if not self._open:
            return
        part = _unnamed()
        self._part.save(part)
        self._parts.append(part)
        self._part.close()
        for source in self._open:
            source.close()
        self._open, self._part = [], pikepdf.Pdf.new()


class ZipOfFiles:
    """The signed files themselves, each named by its number and its student."""

    def __init__(self, mark: str, at: datetime) -> None:
        """``mark`` tells this file from every other; it is the archive's comment. ``at`` dates the entries, in UTC."""
        self._file = _unnamed()
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED, allowZip64=True)
        self._zip.comment = mark.encode("ascii")
        self._at = at.astimezone(UTC)
        self._handed_out = False

    def add(self, number: str, student_name: str, content: bytes) -> None:
        """See :meth:`Joined.add`. A PDF is compressed already, so it is stored as it is."""
        if not content.startswith(b"%PDF"):
            raise CannotRead(number)
        at = self._at
        entry = zipfile.ZipInfo(file_name(number, student_name), (at.year, at.month, at.day, at.hour, at.minute, 0))
        entry.external_attr = 0o600 << 16
        self._zip.writestr(entry, content)

    def finish(self) -> BinaryIO:
        """See :meth:`Joined.finish`."""
        self._zip.close()
        self._handed_out = True
        return self._file

    def close(self) -> None:
        """Let go of everything but what was handed out."""
        self._zip.close()
        if not self._handed_out:
            self._file.close()


def file_name(number: str, student_name: str) -> str:
    """A name that every file system takes: the number, which is unique, and what can stand of the student's name.

    Letters, marks and digits of all scripts stay, everything else becomes a single space; so no name holds a separator
    of paths, a dot but that of ``.pdf``, a control or a direction, and none is one of Windows' reserved words.
    """
    kept = (
        letter if unicodedata.category(letter)[0] in _KEPT_KINDS else " "
        for letter in unicodedata.normalize("NFC", student_name)
    )
    name = " ".join("".join(kept).split())
    short = name.encode()[:_LONGEST_NAME].decode(errors="ignore").strip()
    return f"{number} {short}".strip() + ".pdf"


@contextmanager
def joining(joined: PdfToPrint | ZipOfFiles) -> Iterator[Joined]:
    """Close what is open, however it ends."""
    try:
        yield joined
    finally:
        joined.close()


def _without_signature(page: pikepdf.Page) -> None:
    annotations = page.obj.get("/Annots")
    if annotations is not None:
        stay = [one for one in cast("pikepdf.Array", annotations) if not _is_field(one)]
        if stay:
            page.obj["/Annots"] = pikepdf.Array(stay)
        else:
            del page.obj["/Annots"]
    for key in ("/StructParents", "/Tabs"):
        if key in page.obj:
            del page.obj[key]


def _is_field(annotation: object) -> bool:
    return isinstance(annotation, pikepdf.Dictionary) and annotation.get("/Subtype") == "/Widget"


def _path_of(file: BinaryIO) -> str:
    """How the library opens a file of ours that has no name."""
    file.flush()
    return f"/dev/fd/{file.fileno()}"


def _unnamed() -> BinaryIO:
    """A file that only this process sees, and that is gone when the process is."""
    file: IO[bytes] = tempfile.TemporaryFile(prefix="zonedesk-")  # noqa: SIM115 - closed by whoever it is handed to
    return cast("BinaryIO", file)
