"""Two people revoke: what may be asked, in which words, and who may decide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.builders import an_actor
from webapp.certificates.rules import (
    LONGEST_WORDS,
    REASONS,
    REQUEST_MOVES,
    RequestCommand,
    RequestKind,
    RequestReason,
    RequestState,
    may_decide,
)
from webapp.certificates.words import kind_word, reason_choices, reason_word
from webapp.core.actor import Role
from webapp.core.errors import Forbidden, Invalid
from webapp.core.ids import new_id

REVOKE, REISSUE = RequestKind.REVOKE, RequestKind.REISSUE
WORDS = "It was issued for another course."


def checked(words: str, *, holder: str = "Meena Rao", reason: RequestReason = RequestReason.BY_MISTAKE) -> str:
    return RequestCommand(REVOKE, reason, words).checked(holder=holder).words


def test_a_request_is_decided_once() -> None:
    assert set(REQUEST_MOVES) == set(RequestState)
    assert [state for state, moves in REQUEST_MOVES.items() if moves] == [RequestState.OPEN]


def test_every_reason_belongs_to_one_kind_and_has_words() -> None:
    listed = [reason for reasons in REASONS.values() for reason in reasons]
    assert sorted(listed) == sorted(RequestReason)
    assert set(REASONS) == set(RequestKind)
    for kind, reasons in REASONS.items():
        assert kind_word(kind)
        assert [reason_word(reason) for reason in reasons] == [str(word) for _, word in reason_choices(kind)[1:]]


@pytest.mark.parametrize(("kind", "reason"), [(REVOKE, RequestReason.SETTLED), (REISSUE, RequestReason.MISUSED)])
def test_a_reason_of_the_other_kind_is_refused(kind: RequestKind, reason: RequestReason) -> None:
    with pytest.raises(Invalid) as refused:
        RequestCommand(kind, reason, WORDS).checked(holder="Meena Rao")
    assert (refused.value.code, refused.value.field) == ("reason-unknown", "reason")


def test_words_are_one_clean_sentence() -> None:
    assert checked("  It was\r\nissued\tfor another\x00 course. ") == WORDS
    assert RequestCommand(REISSUE, RequestReason.SETTLED, "ignored").checked(holder="Meena").words == ""


@pytest.mark.parametrize(
    ("words", "code"),
    [("", "words-missing"), (" \n ", "words-missing"), ("x" * (LONGEST_WORDS + 1), "text-too-long")],
)
def test_words_are_needed_and_bounded(words: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked(words)
    assert (refused.value.code, refused.value.field) == (code, "words")


@pytest.mark.parametrize(
    ("holder", "words"),
    [
        ("Meena Rao", "meena did not attend."),
        ("Meena Rao", "It belongs to “Meena”."),
        ("Meenakshi-Devi Rao", "Not Devi’s, but Meenakshi’s own."),
        ("అరుణ్ కుమార్", "కుమార్ అడిగారు"),
    ],
)
def test_words_name_no_student(holder: str, words: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked(words, holder=holder)
    assert refused.value.code == "words-name-holder"


@pytest.mark.parametrize(("holder", "words"), [("Al Rao", "All of it was an error."), ("R. K.", WORDS)])
def test_a_short_name_or_an_initial_forbids_no_word(holder: str, words: str) -> None:
    assert checked(words, holder=holder) == words


@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_is_typed_gives_words_or_a_refusal(words: str, holder: str) -> None:
    try:
        found = checked(words, holder=holder)
    except Invalid:
        return
    assert found == checked(found, holder=holder)


def test_whoever_asked_does_not_decide_and_nobody_but_an_admin_does() -> None:
    one, other = an_actor(Role.ADMIN), an_actor(Role.ADMIN, id=new_id())
    assert one.id is not None
    may_decide(one.id, other)
    with pytest.raises(Forbidden) as refused:
        may_decide(one.id, one)
    assert refused.value.code == "own-request"
    for role in set(Role) - {Role.ADMIN}:
        with pytest.raises(Forbidden) as refused:
            may_decide(new_id(), an_actor(role))
        assert refused.value.code == "not-allowed"
