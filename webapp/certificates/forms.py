"""Finding certificates: the filters of the list, and the number or the file on the public page."""

from __future__ import annotations

import re
from typing import Final

from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField
from werkzeug.datastructures import FileStorage, MultiDict

from webapp.certificates.public_bounds import MOST_BYTES
from webapp.certificates.rules import CertificateState, normalised_number
from webapp.core.errors import Invalid
from webapp.web.forms import BaseForm, ChoiceSelectField, TextField, needed
from webapp.web.hashed_uploads import Hashed
from webapp.web.status import LOOKS

_LONGEST_NUMBER: Final = 400
"""Enough for a whole link."""
_LINK: Final = re.compile(r"/verify/(?P<number>[^/\s?#]{1,64})(?:/(?P<token>[A-Za-z0-9_-]{1,64}))?")


class CertificateFilter(BaseForm):
    """What the list shows; nothing chosen shows all."""

    class Meta:
        """A question changes nothing, so it carries no token."""

        csrf = False

    state = ChoiceSelectField(
        _l("Status"),
        coerce=CertificateState,
        choices=[("", _l("Any")), *((state, LOOKS["certificate"][state].word) for state in CertificateState)],
    )
    q = TextField(_l("Number or student"))


class NumberForm(BaseForm):
    """A certificate's number as somebody types it from paper, or its whole link."""

    class Meta:
        """A question changes nothing, so it carries no token."""

        csrf = False

    number = TextField(
        _l("Certificate number"),
        [needed(_l("Enter the number that stands on the certificate."))],
        max_length=_LONGEST_NUMBER,
    )

    def to_number(self) -> tuple[str, str | None]:
        """The number as it is written, and the link's token where a link was pasted. Raises ``Invalid``."""
        typed, token = self.number.data or "", None
        if (link := _LINK.search(typed)) is not None:
            typed, token = link["number"], link["token"]
        number = normalised_number(typed)
        if number is not None:
            return number, token
        if any(letter.isalnum() and not letter.isascii() for letter in typed):
            raise Invalid(
                "number-script",
                "Type the number with the letters A to Z and the digits 0 to 9, as it stands on the certificate.",
                field="number",
            )
        raise Invalid(
            "number-mistyped",
            "This cannot be a certificate number. Check it against the certificate, letter by letter.",
            field="number",
        )


class FileForm(BaseForm):
    """A file that may be a certificate of ours."""

    file = FileField(_l("PDF file"))
    most_bytes = MOST_BYTES

    def to_sha256(self) -> str:
        """The hash of the file. Raises ``Invalid`` when there is none, or nothing in it."""
        upload: FileStorage | None = self.file.data
        # Typed as a file, while the request keeps nothing but this.
        stream: object = upload.stream if upload is not None else None
        if not isinstance(stream, Hashed) or not stream.length:
            raise Invalid("file-missing", "Choose the PDF file of the certificate.", field="file")
        return stream.sha256


def filter_from(args: MultiDict[str, str]) -> CertificateFilter:
    """The filters in an address; check them with ``validate``."""
    return CertificateFilter(args)
