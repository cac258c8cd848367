"""Forms of files of zones: sending one, and what of it to write."""

from __future__ import annotations

from io import BytesIO

from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField, FileRequired

from webapp.web.forms import BaseForm, ChoiceSelectField, UuidSelectField, needed
from webapp.zones.file_words import fault_words
from webapp.zones.files.csv_rows import csv_rows
from webapp.zones.files.rows import format_of
from webapp.zones.files.said import MAX_BYTES, BadFile, FileFormat
from webapp.zones.import_rules import ImportMode
from webapp.zones.importing import too_large


class ImportForm(BaseForm):
    """A file of zones. Admins say whose they are; everybody else imports their own operator's."""

    file = FileField(_l("File"), [FileRequired(_l("Choose a file."))])
    operator = UuidSelectField(_l("Operator"))

    def to_file(self) -> tuple[bytes, FileFormat]:
        """What was sent, of ``MAX_BYTES`` at most. Raises ``BadFile`` for what does not begin like a file of zones."""
        content = self.file.data.stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise too_large()
        kind = format_of(content)
        if kind is FileFormat.CSV:
            next(csv_rows(BytesIO(content)), None)
        return content, kind

    def refuse_file(self, bad: BadFile) -> None:
        """Show what is wrong with the file at its field, a sentence for each fault."""
        told = [fault_words(fault.field, fault.sentence, fault.params) for fault in bad.faults]
        self.file.errors = [*self.file.errors, *told]


class WriteForm(BaseForm):
    """What of a file is written."""

    mode = ChoiceSelectField(
        _l("What to write"), [needed()], choices=[(mode.value, mode.value) for mode in ImportMode], coerce=ImportMode
    )
