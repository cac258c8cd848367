"""Families, users, operators and courses: what is checked before it is stored (rules E2 and E4)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.rules.builders import NOW
from webapp.accounts.rules import (
    ABSOLUTE_LIMIT,
    IDLE_LIMIT,
    MAX_EMAIL,
    check_password,
    check_role,
    has_ended,
    normalised_email,
    sign_in_ends_at,
)
from webapp.core.actor import Role
from webapp.core.errors import Invalid
from webapp.core.ids import COMPANY_ID
from webapp.courses.rules import CourseCommand
from webapp.households.rules import GuardianCommand, HouseholdCommand, Language, StudentCommand, check_phone
from webapp.operators.rules import OperatorCommand, OperatorKind, franchise_of, kind_of, operator_of

FRANCHISE = UUID(int=5)


def a_guardian(**changes: Any) -> GuardianCommand:
    facts: dict[str, Any] = {
        "name": "Lakshmi  Devi ",
        "phone": "+919848012345",
        "email": "Lakshmi@Example.org",
        "language": Language.TELUGU,
        "consents": True,
    }
    return GuardianCommand(**facts | changes)


# ── households ──


@pytest.mark.parametrize("phone", ["+919848012345", "+12125550123", "+4915112345678", "+1234567", "+123456789012345"])
def test_e4_a_phone_number_in_e164_is_taken(phone: str) -> None:
    assert check_phone(phone) == phone


@pytest.mark.parametrize(
    "phone",
    [
        "",
        "9848012345",
        "+0919848012345",
        "+91 98480 12345",
        "+123456",
        "+1234567890123456",
        "+919848012345\n",
        "+९१९८४८०१२३",
    ],
)
def test_e4_any_other_phone_number_is_refused_on_its_field(phone: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_phone(phone, field="guardian-0_phone")
    assert (refused.value.code, refused.value.field) == ("phone-shape", "guardian-0_phone")


def test_a_family_is_cleaned_as_a_whole() -> None:
    family = HouseholdCommand((a_guardian(),), (StudentCommand(" రవి\u00a0కుమార్ "), StudentCommand("Sita"))).checked()
    assert family.guardians[0] == GuardianCommand(
        "Lakshmi Devi", "+919848012345", "lakshmi@example.org", Language.TELUGU, consents=True
    )
    assert [student.name for student in family.students] == ["రవి కుమార్", "Sita"]


def test_a_guardian_may_have_no_email_address() -> None:
    assert a_guardian(email=None).checked().email is None
    assert a_guardian(email="").checked().email is None


@pytest.mark.parametrize(
    ("family", "field"),
    [
        (HouseholdCommand((), (StudentCommand("Sita"),)), "guardians"),
        (HouseholdCommand((a_guardian(), a_guardian(name=" ")), ()), "guardian-1_name"),
        (HouseholdCommand((a_guardian(phone="12"),), ()), "guardian-0_phone"),
        (HouseholdCommand((a_guardian(email="nobody"),), ()), "guardian-0_email"),
        (HouseholdCommand((a_guardian(),), (StudentCommand("Sita"), StudentCommand("\t"))), "student-1_name"),
    ],
)
def test_a_fault_of_a_family_names_the_person_it_belongs_to(family: HouseholdCommand, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        family.checked()
    assert refused.value.field == field


# ── accounts ──


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        (" Asha@Example.ORG ", "asha@example.org"),
        ("a.b+c@mail.example.co.in", "a.b+c@mail.example.co.in"),
        ("o'brien@example.org", "o'brien@example.org"),
    ],
)
def test_e4_an_email_address_is_trimmed_and_lower_case(typed: str, stored: str) -> None:
    assert normalised_email(typed) == stored


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "asha",
        "asha@localhost",
        "@example.org",
        "asha@@example.org",
        "as ha@example.org",
        "asha@example..org",
        "asha@example.org\nbcc: x@y.org",
        "asha\x00@example.org",
        "x" * 65 + "@example.org",
        "x@" + "a" * MAX_EMAIL + ".org",
    ],
)
def test_e4_what_is_no_email_address_is_refused_on_its_field(typed: str) -> None:
    with pytest.raises(Invalid) as refused:
        normalised_email(typed)
    assert (refused.value.code, refused.value.field) == ("email-shape", "email")


@pytest.mark.parametrize(("length", "code"), [(11, "password-short"), (12, None), (128, None), (129, "password-long")])
def test_a_password_is_judged_by_its_length(length: int, code: str | None) -> None:
    password = ("rain on the godavari " * 9)[:length]
    if code is None:
        check_password(password)
        return
    with pytest.raises(Invalid) as refused:
        check_password(password)
    assert (refused.value.code, refused.value.field) == (code, "password")


@pytest.mark.parametrize("role", list(Role))
def test_franchise_roles_belong_to_franchises_and_all_others_to_the_company(role: Role) -> None:
    of_a_franchise = role in (Role.FRANCHISE_STAFF, Role.FRANCHISE_MANAGER)
    fits = OperatorKind.FRANCHISE if of_a_franchise else OperatorKind.COMPANY
    other = OperatorKind.COMPANY if of_a_franchise else OperatorKind.FRANCHISE
    check_role(role, fits)
    with pytest.raises(Invalid) as refused:
        check_role(role, other)
    assert (refused.value.code, refused.value.field) == ("role-operator", "role")


def test_a_sign_in_ends_when_idle_and_at_last_after_a_working_day() -> None:
    assert sign_in_ends_at(NOW, NOW) == NOW + IDLE_LIMIT
    late = NOW + ABSOLUTE_LIMIT - timedelta(minutes=1)
    assert sign_in_ends_at(NOW, late) == NOW + ABSOLUTE_LIMIT
    assert not has_ended(NOW, NOW, now=NOW + IDLE_LIMIT - timedelta(seconds=1))
    assert has_ended(NOW, NOW, now=NOW + IDLE_LIMIT)
    assert has_ended(NOW, late, now=NOW + ABSOLUTE_LIMIT)


# ── operators and courses ──


def test_z1_the_company_has_no_franchise_id_and_franchises_have_their_own() -> None:
    assert (kind_of(COMPANY_ID), franchise_of(COMPANY_ID), operator_of(None)) == (
        OperatorKind.COMPANY,
        None,
        COMPANY_ID,
    )
    assert (kind_of(FRANCHISE), franchise_of(FRANCHISE), operator_of(FRANCHISE)) == (
        OperatorKind.FRANCHISE,
        FRANCHISE,
        FRANCHISE,
    )


def test_operators_and_courses_have_clean_names_compared_without_case() -> None:
    operator = OperatorCommand("  Guntur   Tutors ", auto_approve=True)
    assert operator.checked() == OperatorCommand("Guntur Tutors", auto_approve=True)
    assert operator.name_key == "guntur tutors"
    course = CourseCommand(" Vedic  Maths", active=False)
    assert (course.checked(), course.name_key) == (CourseCommand("Vedic Maths", active=False), "vedic maths")
    for nameless in (OperatorCommand(" "), CourseCommand("")):
        with pytest.raises(Invalid) as refused:
            nameless.checked()
        assert refused.value.field == "name"
