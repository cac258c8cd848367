"""Settings: production refuses what development forgives."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from webapp.config import DEFAULT_SECRET, Environment, Settings, SettingsError, load_settings
from webapp.core.actor import Role

GOOD = {
    "ZONEDESK_ENV": "production",
    "DATABASE_URL": "postgresql+psycopg://app@db/zonedesk",
    "REDIS_URL": "redis://queue/0",
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
    assert settings.secret_key == DEFAULT_SECRET
    assert not settings.is_production


def test_sound_production_boots(monkeypatch: pytest.MonkeyPatch) -> None:
    assert boot(monkeypatch).is_production


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"DATABASE_URL": None}, "Production needs DATABASE_URL and REDIS_URL."),
        ({"REDIS_URL": None}, "Production needs DATABASE_URL and REDIS_URL."),
        ({"SECRET_KEY": None}, "Production needs a SECRET_KEY of its own"),
        ({"SECRET_KEY": DEFAULT_SECRET}, "Production needs a SECRET_KEY of its own"),
        ({"SECRET_KEY": "short"}, "Production needs a SECRET_KEY of its own"),
        ({"TOTP_KEY": None}, "Production needs a TOTP_KEY of its own"),
        ({"TOTP_KEY": "short"}, "Production needs a TOTP_KEY of its own"),
        ({"TOTP_KEY": GOOD["SECRET_KEY"]}, "Production needs a TOTP_KEY of its own"),
        ({"MAIL_URL": None}, "Production needs MAIL_URL and MAIL_FROM"),
        ({"MAIL_FROM": None}, "Production needs MAIL_URL and MAIL_FROM"),
        ({"MAIL_FROM": "Zonedesk <desk@example.org>\r\nBcc: all@example.org"}, "on one line"),
        ({"MAIL_URL": "http://mail.example"}, "MAIL_URL is written smtp://"),
        ({"MAIL_FROM": "Zonedesk"}, "MAIL_FROM is an address"),
        ({"ZONEDESK_NOW": "2027-01-04T09:00:00+05:30"}, "Production runs on the real clock"),
    ],
)
def test_production_refuses_defaults(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str | None], sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        boot(monkeypatch, **changes)


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept = tmp_path / "secret"
    kept.write_text("s" * 40 + "\n")
    monkeypatch.setenv("SECRET_KEY_FILE", str(kept))
    assert boot(monkeypatch, SECRET_KEY=None).secret_key == "s" * 40


def test_the_key_of_totp_secrets_may_come_from_a_file_and_be_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = tmp_path / "key"
    kept.write_text("n" * 40 + "\n")
    monkeypatch.setenv("TOTP_KEY_FILE", str(kept))
    settings = boot(monkeypatch, TOTP_KEY=None, TOTP_KEY_PREVIOUS="o" * 40 + ", " + "p" * 40)
    assert settings.totp_keys == ("n" * 40, "o" * 40, "p" * 40)


def test_development_encrypts_totp_secrets_with_what_it_has() -> None:
    assert load_settings().totp_keys == (DEFAULT_SECRET,)


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
    monkeypatch.setenv("DATABASE_OWNER_URL", "postgresql+psycopg://owner@db/zonedesk")
    assert load_settings().owner_url.startswith("postgresql+psycopg://owner")


def test_no_secret_shows_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = boot(monkeypatch, SENTRY_DSN="https://dsn-key@sentry/1", DATABASE_URL="postgresql://app:db-word@db/z")
    shown = f"{settings!r} {settings}"
    assert "production" in shown
    assert not [
        secret
        for secret in (GOOD["SECRET_KEY"], GOOD["TOTP_KEY"], "dsn-key", "db-word", "mail-word", "redis://")
        if secret in shown
    ]


def test_settings_cannot_change_under_way() -> None:
    from pydantic import ValidationError

    with pytest.raises(ValidationError):
        load_settings().hold_hours = 1


def test_nothing_of_the_environment_leaks_into_this_test() -> None:
    assert "SECRET_KEY" not in os.environ
