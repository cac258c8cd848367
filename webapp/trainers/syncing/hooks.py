"""Messages of the trainer service: whose they are, what they say, and what they make the desk do.

A message says that something changed, never what: what is so is asked for. So the worst that a message can do, be it
sent again or out of order, is one question more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from sqlalchemy.dialects.postgresql import insert
from standardwebhooks import Webhook, WebhookVerificationError

from webapp.core.actor import SYSTEM
from webapp.db.work import Work
from webapp.trainers.sync_models import ServiceHook, ServiceState
from webapp.trainers.sync_rules import DELETED, Contract, RunCause, RunKind
from webapp.trainers.syncing import runs

MOST_BYTES: Final = 64 * 1024
_MOST_ID: Final = 200
_NAMES: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")


class NotSigned(Exception):
    """Nobody who knows a secret sent this, or not lately."""


class NotAMessage(Exception):
    """It was signed, and does not have the shape of the contract."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message whose signature holds."""

    id: str
    kind: str
    trainer_id: str | None


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("not printable")
    return value


def _number_or_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


_Word = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_printable)]


class _Shape(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, hide_input_in_errors=True)


class _Data(_Shape):
    trainer_id: Annotated[_Word | None, BeforeValidator(_number_or_text)] = None


class _Body(_Shape):
    type: _Word
    data: _Data = _Data()


def read(body: bytes, headers: Mapping[str, str], secrets: Sequence[str]) -> Message:
    """The message of a request (the names of headers in small letters).

    Raises ``NotSigned`` unless one of the secrets signed it lately, ``NotAMessage`` for a signed one that is none.
    """
    sent = {name: headers.get(name, "") for name in _NAMES}
    if not any(_is_signed(body, sent, secret) for secret in secrets) or not _is_id(sent["webhook-id"]):
        raise NotSigned
    try:
        said = _Body.model_validate_json(body)
    except ValidationError as error:
        raise NotAMessage from error
    return Message(sent["webhook-id"], said.type, said.data.trainer_id)


def _is_signed(body: bytes, headers: dict[str, str], secret: str) -> bool:
    """Whether a secret signed the message within five minutes of now."""
    try:
        Webhook(secret).verify(body, headers, json_parse=False)
    except (WebhookVerificationError, ValueError, OverflowError):
        # What is no number, no base 64 or no UTF-8 comes out of the library as it fell.
        return False
    return True


def _is_id(text: str) -> bool:
    return len(text) <= _MOST_ID and text.isprintable()


def take(work: Work, message: Message, *, now: datetime) -> bool:
    """Note a message and ask for the run that looks into it; False when it was taken before.

    Acts for the desk itself.
    """
    row = {"id": message.id, "received_at": now, "kind": message.kind, "service_id": message.trainer_id}
    fresh = insert(ServiceHook).values(row).on_conflict_do_nothing().returning(ServiceHook.id)
    if work.db.scalar(fresh) is None:
        return False
    contract = work.db.get_one(ServiceState, 1).contract
    pointed = message.trainer_id is not None or contract is not Contract.LEGACY
    kind = RunKind.DELTA if pointed and message.kind != DELETED else RunKind.FULL
    runs.request(work, kind, RunCause.WEBHOOK, by=SYSTEM, now=now)
    return True
