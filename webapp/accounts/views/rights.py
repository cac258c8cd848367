"""The truth table: who may do what to whose rows, as it is enforced."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from flask import current_app, render_template, request
from flask.typing import ResponseReturnValue

from webapp.accounts.forms.rights import RoleFilter
from webapp.accounts.policy import Route, TruthTable, truth_table
from webapp.accounts.policy_words import ANSWERS, PERMISSIONS, WHOSE
from webapp.accounts.views.blueprint import bp
from webapp.accounts.words import ROLES
from webapp.core.actor import Permission, Role
from webapp.web.access import guard_of, requires
from webapp.web.words import _


@dataclass(frozen=True, slots=True)
class PolicyPage:
    """The table and the words of its headings."""

    table: TruthTable

    @property
    def role_words(self) -> list[str]:
        """Headings of the roles shown."""
        return [str(ROLES[role]) for role in self.table.roles]

    @property
    def target_words(self) -> list[str]:
        """Headings of all roles."""
        return [str(word) for word in ROLES.values()]

    @property
    def whose_words(self) -> list[str]:
        """Headings of the kinds of operators whose rows are meant."""
        return [str(word) for word in WHOSE.values()]

    @property
    def enquiry_words(self) -> list[str]:
        """The same for enquiries."""
        return [_("Enquiries: %(whose)s", whose=word) for word in self.whose_words]


@bp.get("/rights")
@requires(Permission.POLICY_READ)
def policy() -> ResponseReturnValue:
    """The truth table, of all roles or one."""
    form = RoleFilter(request.args, meta={"csrf": False})
    valid = form.validate()
    wanted = form.role.data if valid else None
    page = PolicyPage(truth_table([wanted] if wanted else list(Role), _routes()))
    words = {"permissions": PERMISSIONS, "answers": ANSWERS}
    return render_template("accounts/policy.html", page=page, form=form, words=words), 200 if valid else 422


def _routes() -> dict[Permission, tuple[Route, ...]]:
    """What each permission opens, from the map of addresses and the guards they declare."""
    found: dict[Permission, list[Route]] = defaultdict(list)
    for rule in current_app.url_map.iter_rules():
        guard = guard_of(current_app, rule.endpoint)
        if isinstance(guard, Permission):
            methods = tuple(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}))
            found[guard].append(Route(methods, rule.rule))
    return {
        permission: tuple(sorted(routes, key=lambda route: (route.rule, route.methods)))
        for permission, routes in found.items()
    }
