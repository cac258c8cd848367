"""Small PDF files with a signature field, as certificates have one, and what can be read back of joined ones."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import BinaryIO

import pikepdf
from pypdf import PdfReader

from webapp.certificates.pdf import CertificatePayload


def signed_looking(words: str, *, weight: int = 0) -> bytes:
    """One page that says ``words`` (ASCII), with a link, a signature field and ``weight`` random bytes."""
    with pikepdf.Pdf.new() as pdf:
        page = pdf.add_blank_page(page_size=(842, 595))
        font = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
        page.obj["/Resources"] = pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=font))
        page.obj["/Contents"] = pdf.make_stream(f"BT /F1 12 Tf 72 300 Td ({words}) Tj ET".encode())
        field = pdf.make_indirect(
            pikepdf.Dictionary(
                Type=pikepdf.Name.Annot,
                Subtype=pikepdf.Name.Widget,
                FT=pikepdf.Name.Sig,
                T="Signature",
                Rect=[0, 0, 0, 0],
                V=pikepdf.Dictionary(Type=pikepdf.Name.Sig, Contents=b"\x30\x00", ByteRange=[0, 1, 2, 3]),
            )
        )
        link = pikepdf.Dictionary(
            Type=pikepdf.Name.Annot,
            Subtype=pikepdf.Name.Link,
            Rect=[0, 0, 9, 9],
            A=pikepdf.Dictionary(S=pikepdf.Name.URI, URI="https://desk.example/verify"),
        )
        page.obj["/Annots"] = pikepdf.Array([field, link])
        page.obj["/StructParents"] = 0
        pdf.Root["/AcroForm"] = pikepdf.Dictionary(Fields=[field], SigFlags=3)
        if weight:
            page.obj["/PieceInfo"] = pdf.make_stream(os.urandom(weight))
        made = io.BytesIO()
        pdf.save(made)
        return made.getvalue()


@dataclass
class SignedLooking:
    """A renderer whose files can be joined."""

    def render(self, payload: CertificatePayload) -> bytes:
        """The number alone: Helvetica has no other scripts."""
        return signed_looking(payload.number)


def pages_of(file: BinaryIO | bytes) -> list[str]:
    """The words of each page."""
    reader = PdfReader(io.BytesIO(file) if isinstance(file, bytes) else file)
    return [page.extract_text().strip() for page in reader.pages]


def annotations_of(file: bytes) -> list[list[str]]:
    """The kinds of annotations on each page."""
    with pikepdf.Pdf.open(io.BytesIO(file)) as pdf:
        return [[str(one["/Subtype"]) for one in page.obj.get("/Annots", [])] for page in pdf.pages]
