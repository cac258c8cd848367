"""What the pages about accounts call things: what happened to an account, and what changed."""

from __future__ import annotations

from typing import Any, Final

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from webapp.audit.queries import Happened
from webapp.core.actor import Role

PAGE_LANGUAGES: Final = (("en", _("English")), ("hi", _("Hindi")), ("te", _("Telugu")))
"""The languages the pages speak."""

ROLES: Final[dict[Role, Any]] = {
    Role.FRANCHISE_STAFF: _("Franchise staff"),
    Role.FRANCHISE_MANAGER: _("Franchise manager"),
    Role.COMPANY_STAFF: _("Company staff"),
    Role.ADMIN: _("Admin"),
    Role.AUDITOR: _("Auditor"),
}

EVENTS: Final[dict[str, tuple[str, Any]]] = {
    "account.created": ("plus", _("Account made")),
    "account.changed": ("pencil", _("Account changed")),
    "account.moved_away": ("arrow-right", _("Moved to another operator")),
    "account.signed_in": ("key", _("Signed in")),
    "account.signed_out": ("logout", _("Signed out")),
    "account.signed_out_everywhere": ("logout", _("Signed out everywhere")),
    "account.sign_in_failed": ("alert-circle", _("Sign-in refused")),
    "account.signed_out_elsewhere": ("logout", _("Signed out everywhere else")),
    "account.joined": ("plus", _("Accepted an invitation")),
    "account.confirmed": ("shield-check", _("Second factor given again")),
    "account.second_factor_failed": ("alert-circle", _("Second factor refused")),
    "account.totp_set_up": ("shield-check", _("Authenticator app set up")),
    "account.totp_replaced": ("shield-check", _("Authenticator app replaced")),
    "account.totp_removed": ("shield-check", _("Authenticator app removed")),
    "account.recovery_codes_made": ("key", _("Recovery codes made")),
    "account.recovery_code_used": ("key", _("Recovery code used")),
    "account.passkey_added": ("key", _("Passkey added")),
    "account.passkey_removed": ("key", _("Passkey removed")),
    "account.passkey_renamed": ("key", _("Passkey renamed")),
    "account.passkey_refused": ("alert-circle", _("Passkey refused")),
    "account.reset_asked": ("mail", _("Link for a new password asked for")),
    "account.password_reset": ("lock", _("Password set anew")),
    "account.password_changed": ("lock", _("Password changed")),
    "account.second_factors_reset": ("shield-check", _("Second factors reset")),
    "account.view_as_begun": ("user-check", _("An admin began to see the desk as this person")),
    "account.view_as_ended": ("user-check", _("An admin stopped seeing the desk as this person")),
}
"""The icon and the words of what happens to an account."""
_CHANGED: Final[dict[str, Any]] = {
    "name": _("Name"),
    "email": _("E-mail address"),
    "role": _("Role"),
    "operator_id": _("Operator"),
    "locale": _("Language"),
    "active": _("Active"),
}


def event_look(entry: Happened) -> tuple[str, str]:
    """The icon and the words of an audit entry about an account; an unknown kind is told as it is stored."""
    icon, words = EVENTS.get(entry.what, ("activity", entry.what))
    return icon, str(words)


def change_told(entry: Happened) -> str | None:
    """What an entry says has changed: "Role: Company staff → Auditor · Name"; nothing when it does not say."""
    changed = entry.after.get("changed")
    if not isinstance(changed, list):
        return None
    told = []
    for field in changed:
        word = str(_CHANGED.get(field, field))
        before, after = (_value(field, side.get(field)) for side in (entry.before, entry.after))
        told.append(f"{word}: {before} → {after}" if before and after else word)
    return " · ".join(told)


def _value(field: str, value: Any) -> str:
    if field == "role" and value in set(Role):
        return str(ROLES[Role(value)])
    if field == "active" and isinstance(value, bool):
        return str(gettext("yes") if value else gettext("no"))
    if field == "locale":
        return str(dict(PAGE_LANGUAGES).get(value, value or ""))
    return ""
