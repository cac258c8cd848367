"""Settings: production refuses what development forgives."""

from __future__ import annotations

import os
import traceback
from datetime import UTC, datetime
from pathlib import Path

import pytest

from webapp.config import _FROM_FILES, Environment, Settings, SettingsError, load_settings
from webapp.config_checks import DEVELOPMENT_KEY
from webapp.core.actor import Role

GOOD = {
    "ZONEDESK_ENV": "production",
    "DATABASE_URL": "postgresql+psycopg://app@db/zonedesk?sslmode=verify-full",
    "REDIS_URL": "rediss://queue/0",
    "SECRET_KEY": "a" * 16 + "long-enough-and-our-own",
    "TOTP_KEY": "t" * 16 + "another-one-for-the-codes",
    "MAIL_URL": "smtp://desk:mail-word@mail.example:587",
    "MAIL_FROM": "Zonedesk <desk@example.org>",
}


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields:
        for name in (field.upper(), f"{field.upper()}_FILE"):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("ZONEDESK_ENV", raising=False)


def boot(monkeypatch: pytest.MonkeyPatch, **changes: str | None) -> Settings:
    """Settings of a sound production environment, with changes; ``None`` takes a variable away."""
    for name, value in (GOOD | changes).items():
        if value is not None:
            monkeypatch.setenv(name, value)
    return load_settings()


def test_development_boots_on_nothing() -> None:
    settings = load_settings()
    assert settings.environment is Environment.DEVELOPMENT
    assert settings.secret_key == DEVELOPMENT_KEY
    assert not settings.is_production


def test_sound_production_boots(monkeypatch: pytest.MonkeyPatch) -> None:
    assert boot(monkeypatch).is_production


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"DATABASE_URL": None}, "Production needs DATABASE_URL and REDIS_URL."),
        ({"REDIS_URL": None}, "Production needs DATABASE_URL and REDIS_URL."),
        ({"SECRET_KEY": None}, "Production needs a SECRET_KEY of its own"),
        ({"SECRET_KEY": DEVELOPMENT_KEY}, "Production needs a SECRET_KEY of its own"),
        ({"SECRET_KEY": "short"}, "Production needs a SECRET_KEY of its own"),
        ({"TOTP_KEY": None}, "Production needs a TOTP_KEY of its own"),
        ({"TOTP_KEY": "short"}, "Production needs a TOTP_KEY of its own"),
        ({"TOTP_KEY": GOOD["SECRET_KEY"]}, "Production needs a TOTP_KEY of its own"),
        ({"MAIL_URL": None}, "Production needs MAIL_URL and MAIL_FROM"),
        ({"MAIL_FROM": None}, "Production needs MAIL_URL and MAIL_FROM"),
        ({"MAIL_FROM": "Zonedesk <desk@example.org>\r\nBcc: all@example.org"}, "on one line"),
        ({"MAIL_URL": "http://mail.example"}, "MAIL_URL is written smtp://"),
        ({"MAIL_FROM": "Zonedesk"}, "MAIL_FROM is an address"),
        ({"SECRET_KEY": "abcabcabc" * 8}, "Production needs a SECRET_KEY of its own"),
        ({"SECRET_KEY_PREVIOUS": DEVELOPMENT_KEY}, "SECRET_KEY_PREVIOUS is a key that anybody could guess"),
        ({"SECRET_KEY_PREVIOUS": "short"}, "SECRET_KEY_PREVIOUS is a key that anybody could guess"),
        ({"SECRET_KEY_PREVIOUS": GOOD["SECRET_KEY"]}, "SECRET_KEY_PREVIOUS is SECRET_KEY itself"),
        ({"ZONEDESK_NOW": "2027-01-04T09:00:00+05:30"}, "Production runs on the real clock"),
        ({"ZONEDESK_FAILPOINTS": "/var/tmp/rig"}, "ZONEDESK_FAILPOINTS"),
        ({"TRAINER_SERVICE_TOKEN": "two\nlines"}, "TRAINER_SERVICE_TOKEN holds a letter that no header can carry"),
        ({"TRAINER_SERVICE_TOKEN": "caf\u00e9"}, "TRAINER_SERVICE_TOKEN holds a letter that no header can carry"),
    ],
)
def test_production_refuses_defaults(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str | None], sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        boot(monkeypatch, **changes)


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "postgresql+psycopg://app:x@db.example/zonedesk"),
        ("DATABASE_URL", "postgresql+psycopg://app:x@db.example/zonedesk?sslmode=prefer"),
        ("DATABASE_URL", "postgresql+psycopg://app:x@127.0.0.1,db.example/zonedesk"),
        ("DATABASE_URL", "postgresql+psycopg://app:x@/zonedesk?host=db.example"),
        ("DATABASE_OWNER_URL", "postgresql+psycopg://owner:x@db.example/zonedesk"),
        ("REDIS_URL", "redis://:x@queue.example/0"),
        ("REDIS_URL", "rediss://:x@queue.example/0?ssl_cert_reqs=none"),
    ],
)
def test_production_sends_nothing_in_clear_text_over_a_network(
    monkeypatch: pytest.MonkeyPatch, name: str, url: str
) -> None:
    with pytest.raises(SettingsError, match=f"{name} would send data in clear text"):
        boot(monkeypatch, **{name: url})
    assert boot(monkeypatch, ALLOW_PLAINTEXT_SERVERS="1").is_production


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "postgresql+psycopg://app:x@127.0.0.1:5432/zonedesk"),
        ("DATABASE_URL", "postgresql+psycopg://app:x@[::1]/zonedesk"),
        ("DATABASE_URL", "postgresql+psycopg://app@/zonedesk?host=/run/postgresql"),
        ("DATABASE_URL", "postgresql+psycopg://app:x@db.example/zonedesk?sslmode=require"),
        ("DATABASE_URL", "postgresql+psycopg://app:p%40ss@a.example,b.example:5433/zonedesk?sslmode=verify-ca"),
        ("REDIS_URL", "redis://localhost/0"),
        ("REDIS_URL", "unix:///run/valkey/valkey.sock?db=1"),
        ("REDIS_URL", "rediss://:x@queue.example/0?ssl_ca_certs=/etc/ca.pem"),
    ],
)
def test_servers_of_this_machine_and_encrypted_ones_are_fine(
    monkeypatch: pytest.MonkeyPatch, name: str, url: str
) -> None:
    assert boot(monkeypatch, **{name: url}).is_production


@pytest.mark.parametrize(
    "url", ["desk.example.org", "ftp://desk.example.org", "https://", "https://me:word@desk.example"]
)
def test_a_public_address_that_is_none_is_refused_everywhere(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("PUBLIC_URL", url)
    with pytest.raises(SettingsError, match="PUBLIC_URL has to be a whole address"):
        load_settings()


def test_a_refusal_to_boot_shows_no_secret_not_even_in_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """pydantic's own message repeats what it was given: every setting, passwords among them."""
    with pytest.raises(SettingsError) as refused:
        boot(
            monkeypatch,
            SECRET_KEY="short-but-secret",
            REDIS_URL="redis://:queue-word@far/0",
            DATABASE_URL="postgresql://app:db-word@db/z",
            SENTRY_DSN="https://dsn-key@sentry/1",
        )
    shown = "".join(traceback.format_exception(refused.value))
    assert "ValidationError" in shown
    assert not [word for word in ("short-but-secret", "queue-word", "db-word", "dsn-key") if word in shown]


def test_the_previous_key_may_come_from_a_file_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept = tmp_path / "previous"
    kept.write_text("0123456789abcdef" * 3 + "\n")
    monkeypatch.setenv("SECRET_KEY_PREVIOUS_FILE", str(kept))
    assert boot(monkeypatch).previous_keys == ("0123456789abcdef" * 3,)


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept = tmp_path / "secret"
    kept.write_text("0123456789" * 4 + "\n")
    monkeypatch.setenv("SECRET_KEY_FILE", str(kept))
    assert boot(monkeypatch, SECRET_KEY=None).secret_key == "0123456789" * 4


def test_the_key_of_totp_secrets_may_come_from_a_file_and_be_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = tmp_path / "key"
    kept.write_text("nopqrstuvw" * 4 + "\n")
    monkeypatch.setenv("TOTP_KEY_FILE", str(kept))
    settings = boot(monkeypatch, TOTP_KEY=None, TOTP_KEY_PREVIOUS="o" * 40 + ", " + "p" * 40)
    assert settings.totp_keys == ("nopqrstuvw" * 4, "o" * 40, "p" * 40)


def test_development_encrypts_totp_secrets_with_what_it_has() -> None:
    assert load_settings().totp_keys == (DEVELOPMENT_KEY,)


def test_admins_and_managers_need_a_second_factor_whatever_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    always = {Role.ADMIN, Role.FRANCHISE_MANAGER}
    for words, needing in [
        ("", always),
        (" , ", always),
        ("auditor", always | {Role.AUDITOR}),
        ("Company_Staff, admin", always | {Role.COMPANY_STAFF}),
        ("all", set(Role)),
    ]:
        monkeypatch.setenv("MFA_ROLES", words)
        settings = load_settings()
        assert {role for role in Role if settings.needs_second_factor(role)} == needing, words


@pytest.mark.parametrize("words", ["none", "-admin", "boss, auditor"])
def test_a_role_there_is_not_is_refused_and_none_can_be_taken_away(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    monkeypatch.setenv("MFA_ROLES", words)
    with pytest.raises(SettingsError, match="MFA_ROLES does not know"):
        load_settings()


def test_the_mail_server_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept = tmp_path / "mail"
    kept.write_text("smtps://desk:word@mail.example\n")
    monkeypatch.setenv("MAIL_URL_FILE", str(kept))
    assert boot(monkeypatch, MAIL_URL=None).mail_url == "smtps://desk:word@mail.example"


def test_without_a_mail_server_letters_lie_beside_other_data(tmp_path: Path) -> None:
    assert load_settings(data_dir=tmp_path).mail_folder == tmp_path / "mail"


def test_a_clock_without_an_offset_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZONEDESK_NOW", "2027-01-04T09:00:00")
    with pytest.raises(SettingsError, match="needs an offset"):
        load_settings()


def test_the_clock_starts_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZONEDESK_NOW", "2027-01-04T09:00:00+05:30")
    assert load_settings().starts_at == datetime(2027, 1, 4, 3, 30, tzinfo=UTC)


@pytest.mark.parametrize(("name", "value"), [("HOLD_HOURS", "0"), ("MAX_ABSENCES", "31"), ("TRUSTED_PROXIES", "-1")])
def test_numbers_out_of_range_name_their_setting(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name.lower()):
        load_settings()


def test_migrations_run_as_the_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    assert boot(monkeypatch).owner_url == GOOD["DATABASE_URL"]
    monkeypatch.setenv("DATABASE_OWNER_URL", "postgresql+psycopg://owner@db/zonedesk?sslmode=require")
    assert load_settings().owner_url.startswith("postgresql+psycopg://owner")


def test_no_secret_shows_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = boot(
        monkeypatch,
        SENTRY_DSN="https://dsn-key@sentry/1",
        DATABASE_URL="postgresql://app:db-word@localhost/z",
        SECRET_KEY_PREVIOUS="previous-0123456789-previous-0123456789",
    )
    shown = f"{settings!r} {settings}"
    assert "production" in shown
    secrets = (
        GOOD["SECRET_KEY"],
        GOOD["TOTP_KEY"],
        "dsn-key",
        "db-word",
        "mail-word",
        "rediss://",
        "previous-0123456789",
    )
    assert not [secret for secret in secrets if secret in shown]


def test_every_setting_that_may_come_from_a_file_is_hidden_when_settings_are_printed() -> None:
    """Whoever adds a secret to that list cannot forget to hide it."""
    shown = {name for name in _FROM_FILES if Settings.model_fields[name].repr}
    assert _FROM_FILES
    assert shown == set()


def test_settings_cannot_change_under_way() -> None:
    from pydantic import ValidationError

    with pytest.raises(ValidationError):
        load_settings().hold_hours = 1


def test_nothing_of_the_environment_leaks_into_this_test() -> None:
    assert "SECRET_KEY" not in os.environ
