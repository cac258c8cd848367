"""Operators: the one company, and its franchises."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from webapp.core.ids import COMPANY_ID
from webapp.core.names import clean_name, name_key


class OperatorKind(StrEnum):
    """The company is one row; every other operator is a franchise."""

    COMPANY = "company"
    FRANCHISE = "franchise"


@dataclass(frozen=True, slots=True)
class OperatorCommand:
    """An operator to create or change.

    ``auto_approve`` lets the desk approve its proposals itself (rule A4); with ``four_eyes`` whoever proposed may not
    approve (rule A5); the people of an inactive operator cannot sign in.
    """

    name: str
    auto_approve: bool = False
    four_eyes: bool = True
    active: bool = True

    def checked(self) -> OperatorCommand:
        """The same with a clean name. Raises ``Invalid`` for field ``name``."""
        return replace(self, name=clean_name(self.name))

    @property
    def name_key(self) -> str:
        """What the name is compared by."""
        return name_key(self.name)


def kind_of(operator_id: UUID) -> OperatorKind:
    """The company is known by its fixed id."""
    return OperatorKind.COMPANY if operator_id == COMPANY_ID else OperatorKind.FRANCHISE


def franchise_of(operator_id: UUID) -> UUID | None:
    """What a zone's nullable ``franchise_id`` holds for an operator: nothing for the company."""
    return None if operator_id == COMPANY_ID else operator_id


def operator_of(franchise_id: UUID | None) -> UUID:
    """The operator behind a zone's ``franchise_id``, as the database generates it."""
    return COMPANY_ID if franchise_id is None else franchise_id
