"""Finding certificates: the filters of the list, and the number or the file on the public page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField
from werkzeug.datastructures import FileStorage, MultiDict
from wtforms import Field, IntegerField, ValidationError
from wtforms.validators import NumberRange

from webapp.certificates.public_bounds import MOST_BYTES
from webapp.certificates.rules import BatchKind, CertificateState, normalised_number
from webapp.core.errors import Invalid
from webapp.web.forms import BaseForm, ChoiceRadioField, ChoiceSelectField, IdField, TextField, needed
from webapp.web.hashed_uploads import Hashed
from webapp.web.status import LOOKS

_LONGEST_NUMBER: Final = 400
"""Enough for a whole link."""
_LINK: Final = re.compile(r"/verify/(?P<number>[^/\s?#]{1,64})(?:/(?P<token>[A-Za-z0-9_-]{1,64}))?")


class TickedField(Field):
    """Ids of ticked rows; ``data`` is a list of ``UUID``, empty for none. Whose they are is asked in SQL."""

    data: list[UUID]

    def process_formdata(self, valuelist: Sequence[Any]) -> None:
        """Read ids; what is none is refused."""
        try:
            self.data = [UUID(str(value)) for value in valuelist]
        except ValueError as error:
            self.data = []
            raise ValidationError(_l("This page is too old. Reload it and try again.")) from error


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


class Which(StrEnum):
    """Which certificates of the list go into a batch."""

    TICKED = "ticked"
    ALL = "all"


class BatchForm(BaseForm):
    """What is put into one file: the ticked certificates, or all that the filters of the list find."""

    key = IdField(_l("Batch"), [needed(_l("This page is too old. Reload it and try again."))])
    kind = ChoiceSelectField(
        _l("As"),
        [needed(_l("Choose what to make."))],
        coerce=BatchKind,
        choices=[(BatchKind.PDF, _l("One PDF to print")), (BatchKind.ZIP, _l("ZIP of the signed files"))],
    )
    which = ChoiceRadioField(
        _l("Which certificates"),
        [needed(_l("Choose which certificates."))],
        coerce=Which,
        choices=[(Which.TICKED, _l("The ticked ones")), (Which.ALL, _l("All that the list shows, on all its pages"))],
    )
    ids = TickedField(_l("Certificates"))


class SendForm(BaseForm):
    """The button that sends a certificate, and the round it was offered for: a second click sends nothing."""

    round = IntegerField(validators=[NumberRange(1, 99)])


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
