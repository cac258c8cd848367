"""Settings: one frozen class, from the environment only (``NAME`` or, for secrets, a file named by ``NAME_FILE``)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from webapp.config_checks import (
    DEVELOPMENT_KEY,
    MINIMUM_SECRET,
    fits_a_header,
    is_geocoder,
    is_hook_secret,
    is_service_address,
    is_weak,
    postgres_is_private,
    redis_is_private,
    store_is_private,
    tile_host,
)
from webapp.core.actor import ALWAYS_SECOND_FACTOR, Role
from webapp.core.failpoints import may_arm

_FROM_FILES = (
    "secret_key",
    "secret_key_previous",
    "database_url",
    "database_owner_url",
    "redis_url",
    "certificate_store_key_id",
    "certificate_store_secret",
    "mail_url",
    "sentry_dsn",
    "totp_key",
    "totp_key_previous",
    "trainer_service_token",
    "trainer_service_hook_secrets",
    "geocoder_url",
)
ALL_ROLES = "all"
_RATE: Final = r"\s*\d+\s*(?:/|per)\s*(?:[1-9]\d*\s*)?(?:second|minute|hour|day)s?\s*"
_RATES: Final = re.compile(f"{_RATE}(?:[;,]{_RATE})*", re.IGNORECASE)


class Environment(StrEnum):
    """Where the desk runs. Production refuses what development forgives."""

    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


class SettingsError(Exception):
    """The environment is not fit to boot from; the message is one sentence per fault."""


class Settings(BaseSettings):
    """Every knob of the desk. Read once at start; handed around, never looked up."""

    # Hidden input: a fault's own traceback would otherwise print every setting, secrets among them.
    model_config = SettingsConfigDict(frozen=True, extra="ignore", case_sensitive=False, hide_input_in_errors=True)

    environment: Environment = Field(Environment.DEVELOPMENT, validation_alias="ZONEDESK_ENV")
    database_url: str = Field("postgresql+psycopg://zonedesk_app@127.0.0.1/zonedesk", repr=False)
    database_owner_url: str | None = Field(None, repr=False)
    """The login that owns the tables and migrates; ``database_url`` when not set."""
    redis_url: str = Field("redis://127.0.0.1:6379/0", repr=False)
    secret_key: str = Field(DEVELOPMENT_KEY, repr=False)
    secret_key_previous: str | None = Field(None, repr=False)
    """The key before ``secret_key``: what it signed is still good, and nothing new is signed with it. Set while keys
    are changed, unset when a sign-in's longest life has passed."""
    data_dir: Path = Path("var")
    public_url: str = "http://127.0.0.1:8000"
    """Where families and staff find the desk; every link in a letter and in a certificate begins with it."""
    allowed_hosts: str = ""
    """Further hosts the desk answers to, with commas and without ports; ``.example.org`` means every name below it."""
    allow_plaintext_servers: bool = False
    """Production talks to its servers in clear text over a network: only where something else encrypts the way."""
    outgoing_allowed_hosts: str = ""
    """Hosts (``name`` or ``name:port``, with commas) that may be private, and asked over http."""
    certificate_store: str | None = None
    """``file:///folder`` or ``s3://bucket/prefix``; ``<data_dir>/certificates`` when not set."""
    certificate_store_endpoint: str | None = None
    """The address of a server that speaks S3, as in https://objects.example.org; Amazon's own when not set."""
    certificate_store_region: str | None = None
    certificate_store_key_id: str | None = Field(None, repr=False)
    certificate_store_secret: str | None = Field(None, repr=False)
    """The key to the bucket; both come from the environment or the machine as AWS says when not set."""
    certificate_mail_on_issue: bool = False
    """Whether guardians who agreed to messages get each certificate by e-mail as soon as it is issued."""
    mail_url: str | None = Field(None, repr=False)
    """``smtp://user:password@host:587`` or ``smtps://…``; when not set, letters are files under ``<data_dir>/mail``."""
    mail_from: str = "Zonedesk <zonedesk@localhost>"
    """The sender of letters: an address, with or without a name."""
    trainer_service_url: str | None = None
    """The system that owns the roster, as in https://trainers.example.org; when not set, the desk edits the roster
    itself. Its host may be private: whoever sets this knows it."""
    trainer_service_token: str | None = Field(None, repr=False)
    """Sent as ``Authorization: Bearer …``."""
    trainer_service_hook_secrets: str = Field("", repr=False)
    """What the service signs its messages with (``whsec_…``), two with a comma while it is changed; when not set, no
    message is taken and the schedule alone keeps the roster fresh."""
    trainer_sync_seconds: int = Field(30, ge=1, le=3600)
    """How often the service is asked what changed."""
    trainer_full_sync_hours: float = Field(6.0, gt=0, le=24 * 7)
    """How often it is asked for everybody: who is not there twice has left."""
    trainer_fresh_seconds: int = Field(60, ge=1, le=24 * 3600)
    """A roster older than this wears a badge."""
    trainer_recheck_minutes: float = Field(15.0, gt=0, le=24 * 60)
    """Approvals on a roster older than this are looked at again when the service is back."""
    map_tile_url: str | None = None
    """Pictures of maps, ``https://tiles.example.org/{z}/{x}/{y}.png``; when not set, maps are a plain ground with lines
    of latitude and longitude, and browsers ask nobody but the desk."""
    map_attribution: str = ""
    """Whose pictures they are, in the corner of each map, as their licence asks for: plain text."""
    geocoder_url: str | None = Field(None, repr=False)
    """A search for addresses that speaks as Nominatim does, ``https://geocoder.example.org/search``; further parameters
    may stand behind it. When not set, places are found by coordinates and Plus Codes alone."""
    sentry_dsn: str | None = Field(None, repr=False)
    zonedesk_now: datetime | None = None
    """Sets the clock for demo and tests (ISO 8601 with offset); refused in production."""
    failpoints: Path | None = Field(None, validation_alias="ZONEDESK_FAILPOINTS")
    """A folder in which a test rig orders this process to be killed or to fail (``core.failpoints``); refused in
    production, and wherever others can reach the desk."""
    log_level: str = "INFO"
    trusted_proxies: int = Field(0, ge=0, le=5)
    """How many reverse proxies in front add X-Forwarded-* headers that may be believed."""

    hold_hours: int = Field(48, ge=1, le=24 * 14)
    """How long a proposal keeps its slots (rule A4)."""
    max_courses_per_trainer: int = Field(3, ge=1, le=50)
    """Rule T3."""
    travel_detour: float = Field(1.4, ge=1, le=10)
    """How much longer a way is than the great circle (rule T9)."""
    travel_speed_kmh: float = Field(25.0, ge=1, le=200)
    zone_disputes: Literal["refuse", "reason"] = "reason"
    """What becomes of a border that takes ground of another operator's zone: ``refuse`` forbids it, ``reason`` asks
    why both may serve it."""
    max_absences: int = Field(6, ge=0, le=30)
    """Rule C1."""
    certificate_lease_seconds: int = Field(30, ge=1, le=3600)
    session_idle_minutes: int = Field(180, ge=1)
    session_absolute_hours: int = Field(12, ge=1, le=24)
    sign_in_rate: str = "5 per minute"
    """Sign-in attempts per account; an address may make four times as many."""
    second_factor_rate: str = "5 per minute; 20 per hour; 100 per day"
    """Second factors tried per account, whatever the browser: three codes in a million are good at a time."""
    mfa_roles: str = ""
    """Roles that need a second factor beside admins and franchise managers, who always do: names with commas, or
    ``all``."""
    totp_key: str | None = Field(None, repr=False)
    """What the secrets of authenticator apps are encrypted with; in development it comes from ``secret_key``."""
    totp_key_previous: str = Field("", repr=False)
    """Earlier ``totp_key`` values, with commas: what they encrypted can still be read, and is encrypted anew."""
    reset_rate: str = "3 per hour"
    """Letters asked for a forgotten password, per account; an address may ask for four times as many."""
    booking_rate: str = "30 per minute"
    """What one person may book, propose, move or cancel."""
    export_rate: str = "5 per hour"
    """Files with other people's data, per person."""
    write_rate: str = "240 per minute"
    """Every changing request of one person, previews of a form being filled in among them."""
    map_rate: str = "240 per minute"
    """How often one person's maps may ask for the zones around what they show."""
    geocoder_rate: str = "30 per minute"
    """Addresses one person may have searched for."""

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, values: Any) -> Any:
        for name in _FROM_FILES:
            path = os.environ.get(f"{name.upper()}_FILE")
            if path and name not in values:
                values[name] = Path(path).read_text(encoding="utf-8").strip()
        return values

    @field_validator(
        *("sign_in_rate", "second_factor_rate", "reset_rate", "booking_rate", "export_rate", "write_rate"),
        *("map_rate", "geocoder_rate"),
    )
    @classmethod
    def _is_a_rate(cls, text: str, info: ValidationInfo) -> str:
        # At the start, because Flask-Limiter only logs a rate it cannot read, and then lets everything through.
        if not _RATES.fullmatch(text):
            raise ValueError(f"{text!r} is no rate; write '5 per minute'.")
        # An address may try so many times as often as an account: of several rates that would be a riddle.
        if info.field_name in ("sign_in_rate", "reset_rate") and re.search(r"[;,]", text):
            raise ValueError(f"{text!r} has to be one rate.")
        return text

    @model_validator(mode="after")
    def _fit_to_boot(self) -> Self:
        if self.zonedesk_now is not None and self.zonedesk_now.tzinfo is None:
            raise ValueError("ZONEDESK_NOW needs an offset, as in 2027-01-04T09:00:00+05:30.")
        unknown = self._mfa_words - {ALL_ROLES, *Role}
        if unknown:
            known = ", ".join(role.value for role in Role)
            raise ValueError(f"MFA_ROLES does not know {', '.join(sorted(unknown))}: give {ALL_ROLES}, or of {known}.")
        if self.mail_url and not self.mail_url.startswith(("smtp://", "smtps://")):
            raise ValueError("MAIL_URL is written smtp://user:password@host:587 or smtps://user:password@host:465.")
        if "@" not in self.mail_from or not self.mail_from.isprintable():
            raise ValueError("MAIL_FROM is an address such as Zonedesk <desk@example.org>, on one line.")
        if not self.certificate_store_url.startswith(("file:///", "file://localhost/", "s3://")):
            raise ValueError("CERTIFICATE_STORE is written file:///absolute/path or s3://bucket/prefix.")
        if (self.certificate_store_key_id is None) != (self.certificate_store_secret is None):
            raise ValueError("CERTIFICATE_STORE_KEY_ID and CERTIFICATE_STORE_SECRET go together: set both or neither.")
        if self.certificate_store_endpoint is not None and not is_service_address(self.certificate_store_endpoint):
            raise ValueError("CERTIFICATE_STORE_ENDPOINT is written https://objects.example.org, without a query.")
        address = urlsplit(self.public_url)
        if address.scheme not in ("http", "https") or not address.hostname or address.username is not None:
            raise ValueError("PUBLIC_URL has to be a whole address, as in https://desk.example.org.")
        if ":" in address.hostname:
            raise ValueError("PUBLIC_URL needs a name or an IPv4 address as its host.")
        if self.trainer_service_url is not None and not is_service_address(self.trainer_service_url):
            raise ValueError("TRAINER_SERVICE_URL is written https://trainers.example.org, without query or user name.")
        if not fits_a_header(self.trainer_service_token or ""):
            raise ValueError("TRAINER_SERVICE_TOKEN holds a letter that no header can carry.")
        if not all(is_hook_secret(secret) for secret in self.trainer_hook_secret_list):
            raise ValueError("TRAINER_SERVICE_HOOK_SECRETS are written whsec_… and hold 24 bytes or more in base64.")
        if self.map_tile_url is not None and tile_host(self.map_tile_url) is None:
            raise ValueError(
                "MAP_TILE_URL is written https://tiles.example.org/{z}/{x}/{y}.png: one host, without a user name."
            )
        if self.geocoder_url is not None and not is_geocoder(self.geocoder_url):
            raise ValueError("GEOCODER_URL is written https://geocoder.example.org/search, without a user name.")
        if self.failpoints is not None and not may_arm(self.public_url):
            raise ValueError("ZONEDESK_FAILPOINTS is for test rigs: PUBLIC_URL has to be on this machine.")
        if self.environment is Environment.PRODUCTION and (faults := [*self._production_faults()]):
            raise ValueError(" ".join(faults))
        return self

    def _production_faults(self) -> Iterator[str]:
        if not {"database_url", "redis_url"} <= self.model_fields_set:
            yield "Production needs DATABASE_URL and REDIS_URL."
        if is_weak(self.secret_key):
            yield f"Production needs a SECRET_KEY of its own, {MINIMUM_SECRET} characters or more, drawn by chance."
        if self.secret_key_previous is not None:
            if is_weak(self.secret_key_previous):
                yield "SECRET_KEY_PREVIOUS is a key that anybody could guess: unset it."
            if self.secret_key_previous == self.secret_key:
                yield "SECRET_KEY_PREVIOUS is SECRET_KEY itself: set the one before it, or unset it."
        if self.totp_key is None or is_weak(self.totp_key) or self.totp_key == self.secret_key:
            yield f"Production needs a TOTP_KEY of its own, {MINIMUM_SECRET} characters or more, drawn by chance."
        if not self.mail_url or "mail_from" not in self.model_fields_set:
            yield "Production needs MAIL_URL and MAIL_FROM: invitations and forgotten passwords go by letter."
        if self.zonedesk_now is not None:
            yield "Production runs on the real clock: unset ZONEDESK_NOW."
        if self.failpoints is not None:
            yield "Production is no test rig: unset ZONEDESK_FAILPOINTS."
        if self.trainer_service_url is not None and not self.trainer_service_token:
            yield "Production needs TRAINER_SERVICE_TOKEN where TRAINER_SERVICE_URL is set."
        if self.map_tile_url is not None and urlsplit(self.map_tile_url).scheme != "https":
            yield "MAP_TILE_URL has to be https://: browsers show no other pictures on a page that came encrypted."
        if self.allow_plaintext_servers:
            return
        if self.geocoder_url is not None and urlsplit(self.geocoder_url).scheme != "https":
            yield "GEOCODER_URL would send addresses of families in clear text: use https://."
        if self.certificate_store_endpoint is not None and not store_is_private(self.certificate_store_endpoint):
            yield "CERTIFICATE_STORE_ENDPOINT would send certificates in clear text: use https://."
        if self.trainer_service_url is not None and urlsplit(self.trainer_service_url).scheme != "https":
            yield "TRAINER_SERVICE_URL would send names and a token in clear text: use https://."
        for name in ("database_url", "database_owner_url"):
            url = getattr(self, name)
            if name in self.model_fields_set and url and not postgres_is_private(url):
                yield (
                    f"{name.upper()} would send data in clear text: add ?sslmode=verify-full, "
                    "or set ALLOW_PLAINTEXT_SERVERS=1 where something else encrypts the way."
                )
        if "redis_url" in self.model_fields_set and not redis_is_private(self.redis_url):
            yield (
                "REDIS_URL would send data in clear text or to anybody: use rediss:// with its certificate checked, "
                "or set ALLOW_PLAINTEXT_SERVERS=1 where something else encrypts the way."
            )

    @property
    def _mfa_words(self) -> set[str]:
        return {word.strip().lower() for word in self.mfa_roles.split(",") if word.strip()}

    def needs_second_factor(self, role: Role) -> bool:
        """Whether nobody with this role gets in with a password alone. No setting makes it fewer roles."""
        return role in ALWAYS_SECOND_FACTOR or bool({role, ALL_ROLES} & self._mfa_words)

    @property
    def totp_keys(self) -> tuple[str, ...]:
        """What TOTP secrets are encrypted with: the key in use, then those that may still be read with."""
        earlier = (key.strip() for key in self.totp_key_previous.split(","))
        return (self.totp_key or self.secret_key, *(key for key in earlier if key))

    @property
    def owner_url(self) -> str:
        """The address migrations use."""
        return self.database_owner_url or self.database_url

    @property
    def previous_keys(self) -> tuple[str, ...]:
        """Keys whose signatures still count beside those of ``secret_key``."""
        return (self.secret_key_previous,) if self.secret_key_previous else ()

    @property
    def trainer_hook_secret_list(self) -> tuple[str, ...]:
        """``trainer_service_hook_secrets``, one by one."""
        return tuple(word.strip() for word in self.trainer_service_hook_secrets.split(",") if word.strip())

    @property
    def allowed_host_list(self) -> tuple[str, ...]:
        """``allowed_hosts``, one by one, in small letters."""
        return _listed(self.allowed_hosts)

    @property
    def outgoing_allowed_list(self) -> tuple[str, ...]:
        """``outgoing_allowed_hosts``, one by one, in small letters."""
        return _listed(self.outgoing_allowed_hosts)

    @property
    def map_tile_host(self) -> str | None:
        """Where browsers may fetch pictures of maps, as a source of the content policy; ``None`` for nowhere."""
        return tile_host(self.map_tile_url) if self.map_tile_url is not None else None

    @property
    def certificate_store_url(self) -> str:
        """Where issued files lie."""
        return self.certificate_store or (self.data_dir.resolve() / "certificates").as_uri()

    @property
    def mail_folder(self) -> Path:
        """Where letters lie when there is no mail server."""
        return self.data_dir.resolve() / "mail"

    @property
    def is_production(self) -> bool:
        """Whether this desk serves real families."""
        return self.environment is Environment.PRODUCTION

    @property
    def starts_at(self) -> datetime | None:
        """``zonedesk_now`` in UTC."""
        return self.zonedesk_now.astimezone(UTC) if self.zonedesk_now else None


def _listed(text: str) -> tuple[str, ...]:
    return tuple(word.strip().lower() for word in text.split(",") if word.strip())


def load_settings(**overrides: Any) -> Settings:
    """Settings from the environment, with overrides by field name. Raises ``SettingsError`` with the faults."""
    from pydantic import ValidationError

    try:
        return Settings(**overrides)
    except ValidationError as error:
        faults = [str(e["msg"]).removeprefix("Value error, ") for e in error.errors(include_url=False)]
        names = [".".join(str(p) for p in e["loc"]) for e in error.errors(include_url=False)]
        raise SettingsError(
            " ".join(f"{name}: {fault}" if name else fault for name, fault in zip(names, faults, strict=True))
        ) from error
