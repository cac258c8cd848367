"""Finding certificates: the filters of the list, and the number on the public page. Both are asked by GET."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from werkzeug.datastructures import MultiDict

from webapp.certificates.rules import CertificateState, normalised_number
from webapp.core.errors import Invalid
from webapp.web.forms import BaseForm, ChoiceSelectField, TextField, needed
from webapp.web.status import LOOKS

_LONGEST_NUMBER = 64


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
    """A certificate's number as somebody types it from paper."""

    class Meta:
        """A question changes nothing, so it carries no token."""

        csrf = False

    number = TextField(
        _l("Certificate number"),
        [needed(_l("Enter the number that stands on the certificate."))],
        max_length=_LONGEST_NUMBER,
    )

    def to_number(self) -> str:
        """The number as it is written. Raises ``Invalid`` when it cannot be one."""
        number = normalised_number(self.number.data or "")
        if number is None:
            raise Invalid(
                "number-mistyped",
                "This cannot be a certificate number. Check it against the certificate, letter by letter.",
                field="number",
            )
        return number


def filter_from(args: MultiDict[str, str]) -> CertificateFilter:
    """The filters in an address; check them with ``validate``."""
    return CertificateFilter(args)
