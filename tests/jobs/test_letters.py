"""Letters: whatever is repeated, overtaken, refused or killed, each is sent to the right person, or to nobody."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text, update

from tests.jobs.builders import rows
from tests.jobs.letter_box import Box
from tests.jobs.smtp_sink import smtp_sink
from tests.make import Make, Person
from tests.web.client import NOW, Bell
from webapp.accounts import invitations, jobs, letter_rounds, letters, sending, writing
from webapp.accounts.invitations import InvitationCommand
from webapp.accounts.letters import Claim, promise_letter, wait_after
from webapp.accounts.models import User
from webapp.accounts.resetting import ask_for_reset
from webapp.accounts.rules import LETTER_TRIES, LetterKind
from webapp.clients.mail import Envelope, MailRefused, mail_from_url
from webapp.config import Settings
from webapp.core.actor import Role
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.work import Database

LEASE = jobs.LEASE
DAY = timedelta(days=1)


@pytest.fixture
def ctx(db: Database, settings: Settings) -> JobContext:
    """A job's context on the test's transaction; its clock stands at ``NOW``."""
    return JobContext(settings, db, lambda: NOW)


@pytest.fixture
def box() -> Box:
    """An empty letter box."""
    return Box()


def later(ctx: JobContext, by: timedelta) -> JobContext:
    return JobContext(ctx.settings, ctx.database, lambda: NOW + by)


def ask(db: Database, email: str, locale: str = "en") -> None:
    with db.unit_of_work() as work:
        ask_for_reset(work, email, locale=locale, now=NOW)


def notice(db: Database, person: Person, kind: LetterKind, locale: str = "en") -> UUID:
    with db.unit_of_work() as work:
        return promise_letter(
            work,
            kind,
            operator_id=person.operator_id,
            email=person.email,
            locale=locale,
            user_id=person.id,
            now=NOW,
        )


def invite(db: Database, by: Person, email: str = "ravi@example.org", **more: Any) -> UUID:
    command = InvitationCommand(by.operator_id, email, "Ravi", more.pop("role", Role.FRANCHISE_STAFF), **more)
    with db.unit_of_work() as work:
        return invitations.invite(work, command, by=by.actor, now=NOW)


def states(db: Database) -> Counter[object]:
    return Counter(state for (state,) in rows(db, "SELECT state FROM letters"))


def claimed(db: Database, letter_id: UUID, *, at: timedelta = timedelta(0)) -> Claim | None:
    with db.unit_of_work() as work:
        return letters.claim(work, letter_id, now=NOW + at, lease_for=LEASE)


def only_letter(db: Database) -> UUID:
    ((letter_id,),) = rows(db, "SELECT id FROM letters")
    assert isinstance(letter_id, UUID)
    return letter_id


def test_a_promise_rings_after_its_commit(make: Make, db: Database, bells: list[Bell]) -> None:
    notice(db, make.user(), LetterKind.PASSWORD_CHANGED)
    assert bells == [(JobName.SEND_LETTERS, {})]


def test_a_forgotten_password_gets_a_link_that_only_the_letter_knows(
    make: Make, db: Database, ctx: JobContext, box: Box
) -> None:
    person = make.user(email="asha@example.org", name="Asha Rao")
    ask(db, person.email)
    assert jobs.send_letters(ctx, mail=box) == 1
    assert box.last.to == "asha@example.org"
    assert "Hello Asha Rao," in box.last.text
    token = box.link().removeprefix(f"{ctx.settings.public_url}/reset/")
    assert len(token) == 43, "256 bits in base 64"
    assert rows(db, "SELECT token_hash, user_id, email, expires_at, used_at FROM link_tokens") == [
        (hashlib.sha256(token.encode()).digest(), person.id, person.email, NOW + timedelta(minutes=60), None)
    ]
    everything = str(rows(db, "SELECT * FROM letters")) + str(rows(db, "SELECT * FROM audit_entries"))
    assert token not in everything
    assert states(db) == Counter(sent=1)


@pytest.mark.parametrize("who", ["nobody", "switched off", "operator switched off"])
def test_who_cannot_sign_in_gets_no_letter_and_no_link(
    make: Make, db: Database, ctx: JobContext, box: Box, who: str
) -> None:
    person = make.staff(make.franchise())
    with db.unit_of_work() as work:
        if who == "switched off":
            work.db.execute(update(User).where(User.id == person.id).values(active=False))
        if who == "operator switched off":
            work.db.execute(text("UPDATE operators SET active = false WHERE id = :id"), {"id": person.operator_id})
    ask(db, "nobody@example.org" if who == "nobody" else person.email)
    assert jobs.send_letters(ctx, mail=box) == 0
    assert box.letters == []
    assert states(db) == Counter(dropped=1)
    assert rows(db, "SELECT 1 FROM link_tokens") == []
    assert rows(db, "SELECT 1 FROM audit_entries WHERE what = 'account.reset_asked'") == []


def test_that_a_reset_was_asked_for_is_told_of_the_account_and_names_no_address(
    make: Make, db: Database, ctx: JobContext, box: Box
) -> None:
    person = make.manager()
    ask(db, person.email)
    assert rows(db, "SELECT 1 FROM audit_entries WHERE what LIKE 'account.reset%'") == []
    jobs.send_letters(ctx, mail=box)
    ((subject, operator, after),) = rows(
        db, "SELECT subject_id, operator_id, after::text FROM audit_entries WHERE what = 'account.reset_asked'"
    )
    assert (subject, operator) == (person.id, person.operator_id)
    assert "@" not in str(after)


def test_links_come_from_the_settings_wherever_the_letter_was_asked(
    make: Make, db: Database, ctx: JobContext, box: Box
) -> None:
    ask(db, make.user().email)
    public = ctx.settings.model_copy(update={"public_url": "https://desk.example/zonedesk/"})
    jobs.send_letters(JobContext(public, db, ctx.now), mail=box)
    assert box.link().startswith("https://desk.example/zonedesk/reset/")


def test_everybody_is_written_to_in_their_own_language(
    make: Make, db: Database, ctx: JobContext, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = writing.write

    def noting(template: str, locale: str, **facts: object) -> Any:
        asked.append(locale)
        return real(template, locale, **facts)

    monkeypatch.setattr("webapp.accounts.sending.write", noting)
    ask(db, make.user(locale="te").email, locale="hi")
    notice(db, make.user(locale="te"), LetterKind.PASSWORD_CHANGED, locale="te")
    invite(db, make.manager(), locale="hi")
    jobs.send_letters(ctx, mail=box)
    assert sorted(asked) == ["hi", "te", "te"], "whoever asked for a reset in Hindi need not be the person"
    assert sorted(letter.language for letter in box.letters) == ["hi", "te", "te"]


def test_running_the_job_twice_sends_once(make: Make, db: Database, ctx: JobContext, box: Box) -> None:
    ask(db, make.user().email)
    assert jobs.send_letters(ctx, mail=box) == 1
    before = rows(db, "SELECT * FROM letters")
    assert jobs.send_letters(later(ctx, DAY), mail=box) == 0
    assert rows(db, "SELECT * FROM letters") == before
    assert len(box.letters) == 1


def test_killed_between_sending_and_noting_it_is_sent_again_under_the_same_id(
    make: Make, db: Database, ctx: JobContext
) -> None:
    ask(db, make.user().email)

    class Killed(BaseException):
        """What no handler catches."""

    class Deadly(Box):
        def send(self, envelope: Envelope) -> None:
            super().send(envelope)
            raise Killed

    first, second = Deadly(), Box()
    with pytest.raises(Killed):
        jobs.send_letters(ctx, mail=first)
    assert states(db) == Counter(pending=1)
    assert jobs.send_letters(later(ctx, LEASE - timedelta(seconds=1)), mail=second) == 0, "its lease still runs"
    assert jobs.send_letters(later(ctx, timedelta(minutes=1)), mail=second) == 1
    assert first.last.id == second.last.id, "so the Message-ID is the same"
    assert first.link() != second.link(), "nobody knows the first link any more, so it cannot be repeated"
    assert states(db) == Counter(sent=1)


def test_both_copies_of_a_letter_have_a_link_that_works(make: Make, db: Database, ctx: JobContext, box: Box) -> None:
    ask(db, make.user().email)
    box.refusals = [MailRefused("letter-452", permanent=False)]
    jobs.send_letters(ctx, mail=box)
    jobs.send_letters(later(ctx, timedelta(minutes=1)), mail=box)
    good = rows(db, "SELECT 1 FROM link_tokens WHERE used_at IS NULL AND expires_at > :now", now=NOW)
    assert len(good) == 2


def test_a_claimed_letter_is_nobody_elses_until_its_lease_runs_out(make: Make, db: Database) -> None:
    letter_id = notice(db, make.user(), LetterKind.PASSWORD_CHANGED)
    slow = claimed(db, letter_id)
    assert slow is not None
    assert claimed(db, letter_id) is None
    quick = claimed(db, letter_id, at=timedelta(minutes=2))
    assert quick is not None
    assert quick.attempt == 2
    with db.unit_of_work() as work:
        assert not letters.record_sent(work, slow, now=NOW), "whoever lost the lease records nothing"
        assert letters.record_failure(work, slow, "late", permanent=True, now=NOW) is None
        assert not letters.record_dropped(work, slow)
        assert letters.record_sent(work, quick, now=NOW)
    assert states(db) == Counter(sent=1)


def test_a_greylisted_letter_comes_round_later_and_later(make: Make, db: Database, ctx: JobContext) -> None:
    person = make.user()
    with smtp_sink(recipient="451 4.7.1 come back later") as sink:
        mail = mail_from_url(sink.url, sender="desk@example.org", folder=ctx.settings.mail_folder)
        ask(db, person.email)
        assert jobs.send_letters(ctx, mail=mail) == 0
        ((state, problem, attempts, next_at),) = rows(db, "SELECT state, last_error, attempts, next_at FROM letters")
        assert (state, problem, attempts) == ("pending", "recipient-451", 1)
        assert isinstance(next_at, datetime)
        assert timedelta(seconds=22) <= next_at - NOW <= timedelta(seconds=38)
        assert jobs.send_letters(ctx, mail=mail) == 0, "not before its time"
        sink.recipient = "250 fine"
        assert jobs.send_letters(later(ctx, timedelta(minutes=1)), mail=mail) == 1
        assert sink.letters[0][0] == person.email


def test_an_address_that_is_refused_for_good_fails_at_once(
    make: Make, db: Database, ctx: JobContext, caplog: pytest.LogCaptureFixture
) -> None:
    person = make.user()
    with smtp_sink(recipient=f"550 no such person {person.email}") as sink:
        notice(db, person, LetterKind.PASSWORD_CHANGED)
        jobs.send_letters(ctx, mail=mail_from_url(sink.url, sender="desk@example.org", folder=ctx.settings.mail_folder))
    assert rows(db, "SELECT state, last_error FROM letters") == [("failed", "recipient-550")]
    assert "letter.failed" in caplog.text
    assert person.email not in caplog.text


def test_a_server_that_does_not_answer_is_asked_once_and_not_for_every_letter(
    make: Make, db: Database, ctx: JobContext, box: Box
) -> None:
    for _ in range(3):
        notice(db, make.user(), LetterKind.PASSWORD_CHANGED)
    box.refusals = [MailRefused("no-answer", permanent=False, away=True)]
    assert jobs.send_letters(ctx, mail=box) == 0
    assert sorted(attempts for (attempts,) in rows(db, "SELECT attempts FROM letters")) == [0, 0, 1]
    assert jobs.send_letters(later(ctx, DAY), mail=box) == 3


def test_after_twelve_tries_it_fails(make: Make, db: Database, ctx: JobContext, box: Box) -> None:
    notice(db, make.user(), LetterKind.PASSWORD_CHANGED)
    box.refusals = [MailRefused("letter-452", permanent=False)] * LETTER_TRIES
    for n in range(LETTER_TRIES):
        assert states(db) == Counter(pending=1)
        jobs.send_letters(later(ctx, n * DAY), mail=box)
    assert states(db) == Counter(failed=1)
    assert jobs.send_letters(later(ctx, 99 * DAY), mail=box) == 0
    assert box.letters == []


def test_a_letter_that_kills_its_work_horse_every_time_ends_as_failed(
    make: Make, db: Database, ctx: JobContext, box: Box
) -> None:
    letter_id = notice(db, make.user(), LetterKind.PASSWORD_CHANGED)
    for n in range(LETTER_TRIES):
        claim = claimed(db, letter_id, at=n * DAY)
        assert claim is not None
        assert claim.attempt == n + 1, "the try counts although nobody reports"
    assert jobs.send_letters(later(ctx, 99 * DAY), mail=box) == 0
    assert rows(db, "SELECT state, last_error, lease FROM letters") == [("failed", "no-answer", None)]


def test_a_bug_in_one_letter_stays_with_that_letter(
    make: Make, db: Database, ctx: JobContext, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    torn, sound = make.user(), make.user()
    notice(db, torn, LetterKind.PASSWORD_CHANGED)
    notice(db, sound, LetterKind.PASSWORD_CHANGED)
    real = sending.compose

    def fragile(ctx: JobContext, claim: Claim) -> Envelope | None:
        if claim.user_id == torn.id:
            raise ValueError("a bug")
        return real(ctx, claim)

    monkeypatch.setattr(jobs, "compose", fragile)
    assert jobs.send_letters(ctx, mail=box) == 1
    assert box.last.to == sound.email
    assert rows(db, "SELECT last_error FROM letters WHERE state = 'pending'") == [("unexpected-ValueError",)]


def test_a_full_batch_hands_over_to_the_next_job(
    make: Make, db: Database, ctx: JobContext, box: Box, bells: list[Bell], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        notice(db, make.user(), LetterKind.PASSWORD_CHANGED)
    bells.clear()
    monkeypatch.setattr(letter_rounds, "BATCH", 2)
    assert jobs.send_letters(ctx, mail=box) == 2
    assert bells == [(JobName.SEND_LETTERS, {})]
    assert jobs.send_letters(ctx, mail=box) == 1


def test_the_sweep_rings_for_what_waits_too_long_and_for_nothing_else(
    make: Make, db: Database, ctx: JobContext, box: Box, bells: list[Bell], caplog: pytest.LogCaptureFixture
) -> None:
    assert not jobs.ring_for_letters(later(ctx, DAY))
    notice(db, make.user(), LetterKind.PASSWORD_CHANGED)
    bells.clear()
    assert not jobs.ring_for_letters(ctx), "its own ring may still arrive"
    assert bells == []
    assert jobs.ring_for_letters(later(ctx, letter_rounds.RING_AGAIN_AFTER))
    assert bells == [(JobName.SEND_LETTERS, {})]
    assert "letters.stuck" not in caplog.text
    jobs.ring_for_letters(later(ctx, letter_rounds.STUCK_AFTER))
    assert "letters.stuck" in caplog.text
    jobs.send_letters(ctx, mail=box)
    assert not jobs.ring_for_letters(later(ctx, DAY))


def test_the_wait_between_tries_grows_and_has_an_end() -> None:
    waits = [wait_after(attempt) for attempt in range(1, LETTER_TRIES + 1)]
    assert waits[0] <= timedelta(seconds=38)
    assert waits[5] > waits[0]
    assert all(wait <= timedelta(hours=2.5) for wait in waits)
    assert timedelta(hours=5) < sum(waits, timedelta(0)) < timedelta(hours=14)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (LetterKind.PASSWORD_CHANGED, "the password of your account"),
        (LetterKind.SECOND_FACTOR_CHANGED, "prove that it is you"),
        (LetterKind.ACCOUNT_CHANGED, "was changed on 1 January 2027, 03:30 UTC"),
    ],
)
def test_a_notice_says_what_happened_and_when_and_what_to_do(
    make: Make, db: Database, ctx: JobContext, box: Box, kind: LetterKind, said: str
) -> None:
    notice(db, make.user(name="Siân O'Brien"), kind)
    jobs.send_letters(later(ctx, timedelta(hours=3)), mail=box)
    plain = " ".join(box.last.text.split())
    assert "Hello Siân O'Brien," in plain, "names are written as people write them, unescaped"
    assert said in plain
    assert "1 January 2027, 03:30 UTC" in plain, "when it happened, not when it was sent"
    assert "not you?" in plain or "not expect this?" in plain
    assert rows(db, "SELECT 1 FROM link_tokens") == []


def test_who_was_switched_off_is_told_so(make: Make, db: Database, ctx: JobContext, box: Box) -> None:
    person = make.user()
    with db.unit_of_work() as work:
        work.db.execute(update(User).where(User.id == person.id).values(active=False))
    notice(db, person, LetterKind.ACCOUNT_CHANGED)
    jobs.send_letters(ctx, mail=box)
    assert "switched off" in box.last.subject


def test_a_notice_goes_to_the_address_of_that_moment(make: Make, db: Database, ctx: JobContext, box: Box) -> None:
    person = make.user(email="old@example.org")
    notice(db, person, LetterKind.ACCOUNT_CHANGED)
    with db.unit_of_work() as work:
        work.db.execute(update(User).where(User.id == person.id).values(email="new@example.org"))
    jobs.send_letters(ctx, mail=box)
    assert box.last.to == "old@example.org"


def test_a_letter_follows_somebody_who_moves_to_another_operator(
    make: Make, db: Database, ctx: JobContext, box: Box
) -> None:
    person, other = make.staff(make.franchise()), make.franchise()
    notice(db, person, LetterKind.ACCOUNT_CHANGED)
    with db.unit_of_work() as work:
        work.db.execute(update(User).where(User.id == person.id).values(operator_id=other))
    assert jobs.send_letters(ctx, mail=box) == 1


def test_no_letter_ever_carries_a_password_or_a_hash(make: Make, db: Database, ctx: JobContext, box: Box) -> None:
    person = make.user()
    ask(db, person.email)
    for kind in (LetterKind.PASSWORD_CHANGED, LetterKind.SECOND_FACTOR_CHANGED, LetterKind.ACCOUNT_CHANGED):
        notice(db, person, kind)
    invite(db, make.manager())
    assert jobs.send_letters(ctx, mail=box) == 5
    written = " ".join(letter.subject + letter.text for letter in box.letters)
    assert person.password not in written
    assert "argon2" not in written


def test_letters_without_a_mail_server_are_files(make: Make, db: Database, ctx: JobContext, tmp_path: Any) -> None:
    ask(db, make.user().email)
    own = ctx.settings.model_copy(update={"data_dir": tmp_path})
    assert jobs.send_letters(JobContext(own, db, ctx.now)) == 1
    assert [path.name for path in (tmp_path / "mail").iterdir()] == [f"{only_letter(db)}.eml"]


def test_tidying_forgets_letters_links_and_invitations_whose_time_is_over(
    make: Make, db: Database, ctx: JobContext, box: Box
) -> None:
    manager = make.manager()
    ask(db, manager.email)
    invite(db, manager)
    jobs.send_letters(ctx, mail=box)
    jobs.tidy(ctx)
    assert states(db) == Counter(sent=2)
    assert len(rows(db, "SELECT 1 FROM link_tokens")) == 2
    jobs.tidy(later(ctx, timedelta(minutes=61)))
    assert rows(db, "SELECT purpose FROM link_tokens") == [("invitation",)]
    for _ in range(2):
        jobs.tidy(later(ctx, timedelta(hours=72)))
        assert rows(db, "SELECT state FROM invitations") == [("expired",)]
        assert rows(db, "SELECT 1 FROM link_tokens") == []
        assert len(rows(db, "SELECT 1 FROM audit_entries WHERE what = 'account.invitation_expired'")) == 1
    assert states(db) == Counter(sent=2)
    jobs.tidy(later(ctx, timedelta(days=30, seconds=1)))
    assert states(db) == Counter()


def test_tidying_never_forgets_a_letter_that_waits(make: Make, db: Database, ctx: JobContext) -> None:
    ask(db, make.user().email)
    jobs.tidy(later(ctx, 99 * DAY))
    assert states(db) == Counter(pending=1)


def test_a_link_that_was_used_is_forgotten_soon(make: Make, db: Database, ctx: JobContext, box: Box) -> None:
    ask(db, make.user().email)
    jobs.send_letters(ctx, mail=box)
    with db.unit_of_work() as work:
        work.db.execute(text("UPDATE link_tokens SET used_at = :now"), {"now": NOW})
    jobs.tidy(ctx)
    assert rows(db, "SELECT 1 FROM link_tokens") == []
