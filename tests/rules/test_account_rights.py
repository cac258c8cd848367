"""Who looks after whose account: nobody gives a right they lack, nobody reaches up or across."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.builders import an_actor
from webapp.accounts.rules import HOME_OF, MANAGES, check_may_give, may_manage
from webapp.core.actor import GRANTS, REACH, SYSTEM, Actor, Extent, Permission, Reach, Role
from webapp.core.errors import Forbidden, Invalid
from webapp.core.ids import COMPANY_ID
from webapp.operators.rules import OperatorKind, kind_of

OURS, THEIRS = UUID(int=71), UUID(int=72)
OPERATORS = (COMPANY_ID, OURS, THEIRS)


def home(role: Role) -> UUID:
    """Where somebody of a role works in these tests."""
    return COMPANY_ID if HOME_OF[role] is OperatorKind.COMPANY else OURS


def person(role: Role) -> Actor:
    """Somebody of a role, at the company or at our franchise."""
    return an_actor(role, operator_id=home(role))


def may_give(by: Actor, role: Role, operator_id: UUID) -> bool:
    """Whether the giving passes."""
    try:
        check_may_give(by, role, operator_id)
    except (Forbidden, Invalid):
        return False
    return True


@pytest.mark.parametrize("giver", Role)
@pytest.mark.parametrize("given", Role)
@pytest.mark.parametrize("operator_id", OPERATORS)
def test_nobody_gives_a_right_or_a_reach_that_they_lack(giver: Role, given: Role, operator_id: UUID) -> None:
    if not may_give(person(giver), given, operator_id):
        return
    assert GRANTS[given] <= GRANTS[giver]
    assert REACH[given].within(REACH[giver])
    assert person(giver).reaches(operator_id)
    assert HOME_OF[given] is kind_of(operator_id)


def test_exactly_these_may_give_exactly_these_roles() -> None:
    giving = {
        (giver, given, at) for giver in Role for given in Role for at in OPERATORS if may_give(person(giver), given, at)
    }
    franchise = {Role.FRANCHISE_STAFF, Role.FRANCHISE_MANAGER}
    assert giving == {(Role.FRANCHISE_MANAGER, Role.FRANCHISE_STAFF, OURS)} | {
        (Role.ADMIN, role, at) for role in Role for at in OPERATORS if (role in franchise) == (at != COMPANY_ID)
    }


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.FRANCHISE_MANAGER, Role.ADMIN}))
def test_who_has_no_right_over_accounts_manages_nobody(role: Role) -> None:
    assert not any(may_manage(person(role), target, at) for target in Role for at in OPERATORS)


@given(
    grants=st.fixed_dictionaries({role: st.frozensets(st.sampled_from(Permission)) for role in Role}),
    reaches=st.fixed_dictionaries({role: st.builds(Reach, *[st.sampled_from(Extent)] * 2) for role in Role}),
    manages=st.fixed_dictionaries({role: st.frozensets(st.sampled_from(Role)) for role in Role}),
)
def test_whatever_the_tables_say_nobody_ever_climbs(
    grants: dict[Role, frozenset[Permission]], reaches: dict[Role, Reach], manages: dict[Role, frozenset[Role]]
) -> None:
    """However the tables are changed one day: what people can give each other never adds up to a right they lack."""
    with pytest.MonkeyPatch.context() as patch:
        for role in Role:
            patch.setitem(GRANTS, role, grants[role])
            patch.setitem(REACH, role, reaches[role])
            patch.setitem(MANAGES, role, manages[role])
        for giver in Role:
            held, reached = grants[giver], {giver}
            while True:
                further = {
                    given for one in reached for given in Role for at in OPERATORS if may_give(person(one), given, at)
                } - reached
                if not further:
                    break
                reached |= further
            assert all(grants[role] <= held and reaches[role].within(reaches[giver]) for role in reached)


def test_the_desk_itself_may_give_every_role_where_it_belongs() -> None:
    assert all(may_give(SYSTEM, role, home(role)) for role in Role)
    assert not may_give(SYSTEM, Role.ADMIN, OURS)


def test_a_role_at_the_wrong_kind_of_operator_is_refused_at_its_field() -> None:
    with pytest.raises(Invalid) as refused:
        check_may_give(person(Role.ADMIN), Role.FRANCHISE_STAFF, COMPANY_ID)
    assert (refused.value.code, refused.value.field) == ("role-operator", "role")


def test_a_manager_hears_whom_to_ask_instead() -> None:
    with pytest.raises(Forbidden, match="Ask an admin") as refused:
        check_may_give(person(Role.FRANCHISE_MANAGER), Role.FRANCHISE_MANAGER, OURS)
    assert refused.value.code == "role-not-yours"
    assert not may_manage(an_actor(None), Role.FRANCHISE_STAFF, OURS)
