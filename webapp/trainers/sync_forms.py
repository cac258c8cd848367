"""Forms of the synchronisation: starting a run, and saying what a name of the service means here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from flask_babel import lazy_gettext as _l
from wtforms import BooleanField

from webapp.trainers.sync_rules import LinkKind, RunKind
from webapp.trainers.sync_words import LINKS, TARGETS
from webapp.web.forms import BaseForm, ChoiceSelectField, TextField, UuidSelectField, needed

MAX_NAME = 128
"""The longest name of the service, in characters."""


class WordForWordField(TextField):
    """A text that is kept letter by letter: another system's name is another name when it is tidied."""

    def process_formdata(self, valuelist: Sequence[Any]) -> None:
        """Refuse control characters and too long a text, and keep the rest as it is."""
        super().process_formdata(valuelist)
        if valuelist:
            self.data = str(valuelist[0])


class StartForm(BaseForm):
    """What to ask the service for; ``accept_shrink`` believes it when it names far fewer trainers than before."""

    kind = ChoiceSelectField(
        validators=[needed(_l("Choose what to ask for."))],
        coerce=RunKind,
        choices=[(kind.value, kind.value) for kind in RunKind],
    )
    accept_shrink = BooleanField(_l("Believe it: so many trainers have truly left"))


class WhichNameForm(BaseForm):
    """Which name of the service is meant; read from the address."""

    class Meta:
        """A question changes nothing, so it carries no token."""

        csrf = False

    kind = ChoiceSelectField(
        _l("What it names"),
        [needed(_l("Choose what it is a name of."))],
        coerce=LinkKind,
        choices=[("", _l("Choose…")), *((kind.value, word) for kind, word in LINKS.items())],
    )
    name = WordForWordField(_l("As the service writes it"), [needed(_l("Give the name or id."))], max_length=MAX_NAME)


class LinkForm(BaseForm):
    """What a name of the service means here; ``moves`` is ticked to take a trainer away from their operator."""

    target = UuidSelectField(validators=[needed(_l("Choose one from the list."))])
    moves = BooleanField(_l("Yes, the trainer leaves them"))

    def __init__(self, kind: LinkKind, targets: Iterable[tuple[UUID, str]]) -> None:
        """``targets`` are what such a name can mean."""
        super().__init__()
        self.target.label.text, self.target.choices = TARGETS[kind], [("", _l("Choose…")), *targets]
