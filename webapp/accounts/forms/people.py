"""Forms of the pages on which people are looked after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask_babel import lazy_gettext as _l
from wtforms import EmailField, HiddenField

from webapp.accounts.invitations import InvitationCommand
from webapp.accounts.managing import seen_of
from webapp.accounts.queries.users import UserDetail, UserFilter
from webapp.accounts.rules import MAX_EMAIL, roles_to_give
from webapp.accounts.service import UserCommand
from webapp.accounts.words import PAGE_LANGUAGES, ROLES
from webapp.core.actor import Actor, Role
from webapp.core.names import MAX_NAME, search_words
from webapp.operators.queries import OperatorRow
from webapp.web.forms import BaseForm, ChoiceSelectField, TextField, UuidSelectField, needed

Owners = Sequence[OperatorRow]
_STATES = {"active": True, "inactive": False}


class UserFilterForm(BaseForm):
    """Filters of the list, read from the address."""

    q = TextField(_l("Name or address"), max_length=120)
    operator = UuidSelectField(_l("Operator"))
    role = ChoiceSelectField(_l("Role"), coerce=Role, choices=[("", _l("All roles")), *ROLES.items()])
    state = ChoiceSelectField(
        _l("State"), choices=[("", _l("All")), ("active", _l("Active")), ("inactive", _l("Inactive"))]
    )

    def offer(self, owners: Owners) -> None:
        """Let one choose among these operators."""
        self.operator.choices = [("", _l("All operators")), *((owner.id, owner.name) for owner in owners)]

    @property
    def filtered(self) -> bool:
        """Whether anything is asked for."""
        return any(field.data for field in (self.q, self.operator, self.role, self.state))

    def wanted(self) -> UserFilter:
        """What the address asks for."""
        return UserFilter(
            search=search_words(self.q.data or ""),
            operator_id=self.operator.data,
            role=self.role.data,
            active=_STATES.get(self.state.data or ""),
        )


class _PersonForm(BaseForm):
    """Name, role, operator and language. Who may give one role at one operator only is not asked for either."""

    name = TextField(_l("Name"), [needed(_l("Give the person's name."))], max_length=MAX_NAME)
    role = ChoiceSelectField(_l("Role"), [needed(_l("Choose a role."))], coerce=Role)
    operator = UuidSelectField(_l("Operator"), [needed(_l("Choose an operator."))])
    locale = ChoiceSelectField(_l("Language"), [needed(_l("Choose a language."))], choices=PAGE_LANGUAGES)

    def offer(self, roles: Sequence[Role], owners: Owners) -> None:
        """Let one choose among these roles and operators; what leaves no choice is taken for chosen."""
        self.role.choices = [(role, ROLES[role]) for role in roles]
        self.operator.choices = [(owner.id, owner.name) for owner in owners]

    @property
    def asks_where(self) -> bool:
        """Whether role and operator are to be chosen."""
        return "role" in self._fields


class InviteForm(_PersonForm):
    """Whom to invite, as what."""

    email = EmailField(_l("E-mail address"), [needed(_l("Enter an e-mail address."))])

    def __init__(self, actor: Actor, owners: Owners, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        roles = roles_to_give(actor)
        self._only: tuple[Role, UUID] | None = None
        if len(roles) == len(owners) == 1:
            self._only = (roles[0], owners[0].id)
            del self.role, self.operator
        else:
            self.offer(roles, [owner for owner in owners if owner.active])

    def to_command(self) -> InvitationCommand:
        """Whom to invite."""
        role, operator_id = self._only or (self.role.data, self.operator.data)
        return InvitationCommand(
            operator_id=operator_id,
            email=(self.email.data or "")[: MAX_EMAIL + 1],
            name=self.name.data or "",
            role=role,
            locale=self.locale.data,
        )


class ChangeUserForm(_PersonForm):
    """An account's name, role, operator and language. ``seen`` is what the form showed when it was opened."""

    seen = HiddenField()

    def __init__(self, actor: Actor, user: UserDetail, owners: Owners, **kwargs: Any) -> None:
        seen = seen_of(user.operator_id, user.name, user.role, user.locale, user.active)
        known = {"name": user.name, "role": user.role, "operator": user.operator_id, "locale": user.locale}
        super().__init__(data=known | {"seen": seen}, **kwargs)
        self._user = user
        roles = roles_to_give(actor)
        if user.id == actor.id or len(roles) == len(owners) == 1:
            del self.role, self.operator
        else:
            self.offer(roles, owners)

    def to_command(self) -> UserCommand:
        """The account as it shall be."""
        user = self._user
        role, operator_id = (self.role.data, self.operator.data) if self.asks_where else (user.role, user.operator_id)
        return UserCommand(
            operator_id=operator_id,
            email=user.email,
            name=self.name.data or "",
            role=role,
            locale=self.locale.data,
            active=user.active,
        )
