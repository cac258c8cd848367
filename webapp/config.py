"""Settings: one frozen class, from the environment only (``NAME`` or, for secrets, a file named by ``NAME_FILE``)."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from webapp.core.actor import ALWAYS_SECOND_FACTOR, Role

DEFAULT_SECRET = "development-only-secret-key-never-for-production"  # noqa: S105 - production refuses it
MINIMUM_SECRET = 32
_FROM_FILES = (
    "secret_key",
    "database_url",
    "database_owner_url",
    "redis_url",
    "mail_url",
    "sentry_dsn",
    "totp_key",
    "totp_key_previous",
)
ALL_ROLES = "all"


class Environment(StrEnum):
    """Where the desk runs. Production refuses what development forgives."""

    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


class SettingsError(Exception):
    """The environment is not fit to boot from; the message is one sentence per fault."""


class Settings(BaseSettings):
    """Every knob of the desk. Read once at start; handed around, never looked up."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", case_sensitive=False)

    environment: Environment = Field(Environment.DEVELOPMENT, validation_alias="ZONEDESK_ENV")
    database_url: str = Field("postgresql+psycopg://zonedesk_app@127.0.0.1/zonedesk", repr=False)
    database_owner_url: str | None = Field(None, repr=False)
    """The login that owns the tables and migrates; ``database_url`` when not set."""
    redis_url: str = Field("redis://127.0.0.1:6379/0", repr=False)
    secret_key: str = Field(DEFAULT_SECRET, repr=False)
    data_dir: Path = Path("var")
    public_url: str = "http://127.0.0.1:8000"
    certificate_store: str | None = None
    """``file://…``; ``<data_dir>/certificates`` when not set."""
    mail_url: str | None = Field(None, repr=False)
    """``smtp://user:password@host:587`` or ``smtps://…``; when not set, letters are files under ``<data_dir>/mail``."""
    mail_from: str = "Zonedesk <zonedesk@localhost>"
    """The sender of letters: an address, with or without a name."""
    sentry_dsn: str | None = Field(None, repr=False)
    zonedesk_now: datetime | None = None
    """Sets the clock for demo and tests (ISO 8601 with offset); refused in production."""
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
    max_absences: int = Field(6, ge=0, le=30)
    """Rule C1."""
    certificate_lease_seconds: int = Field(30, ge=1, le=3600)
    session_idle_minutes: int = Field(180, ge=1)
    session_absolute_hours: int = Field(12, ge=1)
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

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, values: Any) -> Any:
        for name in _FROM_FILES:
            path = os.environ.get(f"{name.upper()}_FILE")
            if path and name not in values:
                values[name] = Path(path).read_text(encoding="utf-8").strip()
        return values

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
        if self.environment is not Environment.PRODUCTION:
            return self
        faults = []
        if not {"database_url", "redis_url"} <= self.model_fields_set:
            faults.append("Production needs DATABASE_URL and REDIS_URL.")
        if self.secret_key == DEFAULT_SECRET or len(self.secret_key) < MINIMUM_SECRET:
            faults.append(f"Production needs a SECRET_KEY of its own, {MINIMUM_SECRET} characters or more.")
        if self.totp_key is None or len(self.totp_key) < MINIMUM_SECRET or self.totp_key == self.secret_key:
            faults.append(f"Production needs a TOTP_KEY of its own, {MINIMUM_SECRET} characters or more.")
        if not self.mail_url or "mail_from" not in self.model_fields_set:
            faults.append("Production needs MAIL_URL and MAIL_FROM: invitations and forgotten passwords go by letter.")
        if self.zonedesk_now is not None:
            faults.append("Production runs on the real clock: unset ZONEDESK_NOW.")
        if faults:
            raise ValueError(" ".join(faults))
        return self

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
