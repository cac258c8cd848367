"""The policy in plain language. A permission without words fails a test."""

from __future__ import annotations

from typing import Any, Final

from flask_babel import lazy_gettext as _

from webapp.accounts.policy import Answer, Whose
from webapp.core.actor import Permission

PERMISSIONS: Final[dict[Permission, Any]] = {
    Permission.HOME_READ: _("See the home page and what waits there"),
    Permission.BOOKING_READ: _("Look at bookings and enquiries"),
    Permission.BOOKING_WRITE: _("Enter, change and cancel bookings, record enquiries and payments"),
    Permission.BOOKING_CLOSE_SHORT: _("Close a booking before all its sessions are taught"),
    Permission.ASSIGNMENT_READ: _("Look at proposals and why a trainer was chosen"),
    Permission.ASSIGNMENT_PROPOSE: _("Propose, withdraw and replace trainers"),
    Permission.ASSIGNMENT_APPROVE: _("Approve and reject proposals"),
    Permission.SESSION_READ: _("Look at sessions and who needs cover"),
    Permission.SESSION_ATTEND: _("Tick sessions off and record who was there"),
    Permission.HOUSEHOLD_READ: _("Look at families"),
    Permission.HOUSEHOLD_WRITE: _("Enter families and keep trainers apart from them"),
    Permission.COURSE_READ: _("Look at the catalogue of courses"),
    Permission.ZONE_READ: _("Look at zones and find out who serves a place"),
    Permission.ZONE_WRITE: _("Draw zones and move their borders"),
    Permission.ZONE_EXPORT: _("Take zones out as a file"),
    Permission.TRAINER_READ: _("Look at trainers and their weeks"),
    Permission.TRAINER_WRITE: _("Enter and change trainers, their hours and their time off"),
    Permission.TRAINER_SYNC_READ: _("See how the synchronisation with the trainer service goes"),
    Permission.TRAINER_SYNC_RUN: _("Start a synchronisation and say what its names mean here"),
    Permission.OPERATOR_READ: _("Look at operators and their numbers"),
    Permission.CERTIFICATE_READ: _("Look at certificates and download them"),
    Permission.CERTIFICATE_RETRY: _("Have a certificate made again that failed"),
    Permission.CERTIFICATE_REISSUE: _("Issue a certificate anew under the right name"),
    Permission.CERTIFICATE_REVOKE: _("Revoke certificates, two people together"),
    Permission.CERTIFICATE_DESIGN_READ: _("See how certificates are designed"),
    Permission.CERTIFICATE_DESIGN: _("Design certificates"),
    Permission.CERTIFICATE_SEND: _("Send certificates to families by e-mail"),
    Permission.CERTIFICATE_BATCH: _("Print and download many certificates at once"),
    Permission.HOUSEHOLD_EXPORT: _("Export everything about a family"),
    Permission.HOUSEHOLD_ERASE: _("Erase a family where the law asks for it"),
    Permission.USER_READ: _("Look at users and open invitations"),
    Permission.USER_WRITE: _("Invite, change and switch off users"),
    Permission.OPERATOR_WRITE: _("Found, change and switch off franchises"),
    Permission.POLICY_READ: _("Read this table"),
    Permission.VIEW_AS: _("See the desk as somebody else, reading only"),
    Permission.AUDIT_READ: _("Read the audit log"),
    Permission.AUDIT_VERIFY: _("Verify the seals of the audit log"),
    Permission.AUDIT_EXPORT: _("Export the audit log"),
}

ANSWERS: Final[dict[Answer, tuple[str, str, Any]]] = {
    Answer.NO: ("stopped", "x", _("No")),
    Answer.OWN: ("done", "check", _("Own")),
    Answer.EVERY: ("done", "circle-check", _("Everybody’s")),
    Answer.SHARED: ("done", "check", _("Yes")),
}
"""How an answer is shown: tone, icon and word."""

WHOSE: Final[dict[Whose, Any]] = {
    Whose.OWN: _("Own operator"),
    Whose.FRANCHISE: _("Another franchise"),
    Whose.COMPANY: _("The company"),
}
