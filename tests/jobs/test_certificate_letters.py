"""Certificates by letter: to the guardians who agreed, at least once, and never to an erased family."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.jobs.builders import (
    DONE,
    Completed,
    PlainKeys,
    PlainRenderer,
    Shelf,
    completed_booking,
    later,
    promise,
    revoke,
    rows,
)
from tests.jobs.letter_box import Box
from tests.make import Make
from tests.web.client import Bell
from webapp.accounts.rules import LETTER_TRIES
from webapp.certificates import jobs, letter_jobs, posting
from webapp.certificates.queries import letters as queries
from webapp.clients.mail import Envelope, MailRefused, message_of
from webapp.core.actor import SYSTEM
from webapp.core.errors import Conflict, NotFound
from webapp.core.ids import new_id
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.promises import Held
from webapp.db.tenancy import acting_for_nobody
from webapp.db.work import Database
from webapp.desk.erasing import erase_family
from webapp.households.rules import ErasureReason

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@pytest.fixture
def box() -> Box:
    return Box()


def mailing(ctx: JobContext) -> JobContext:
    settings = ctx.settings.model_copy(update={"certificate_mail_on_issue": True})
    return JobContext(settings, ctx.database, ctx.now)


def household_of(db: Database, booking: Completed) -> UUID:
    ((household_id,),) = rows(db, "SELECT household_id FROM bookings WHERE id = :id", id=booking.id)
    assert isinstance(household_id, UUID)
    return household_id


def guardians(db: Database, booking: Completed, *people: tuple[str, str | None, str, bool]) -> None:
    """Let the family have these guardians: name, address, language, consent."""
    household = household_of(db, booking)
    with db.unit_of_work() as work:
        work.db.execute(text("DELETE FROM guardians WHERE household_id = :id"), {"id": household})
        for name, email, language, consents in people:
            work.db.execute(
                text(
                    "INSERT INTO guardians (id, operator_id, household_id, name, phone, email, language,"
                    " consent_to_messages, consent_at) SELECT :id, operator_id, id, :name, '+919876543210', :email,"
                    " :language, :consents, CASE WHEN :consents THEN :now END FROM households WHERE id = :household"
                ),
                {
                    "id": new_id(),
                    "household": household,
                    "name": name,
                    "email": email,
                    "language": language,
                    "consents": consents,
                    "now": DONE,
                },
            )


@pytest.fixture
def booking(make: Make, db: Database) -> Completed:
    """A franchise's family with four guardians, two of whom agreed and have an address."""
    booking = completed_booking(make, db, "Meena Rao", operator_id=make.franchise())
    guardians(
        db,
        booking,
        ("Asha Rao", "asha@family.example", "te", True),
        ("Ravi Rao", "ravi@family.example", "ta", True),
        ("No Consent", "no@family.example", "en", False),
        ("No Address", None, "en", True),
    )
    return booking


@pytest.fixture
def issued(ctx: JobContext, db: Database, booking: Completed, shelf: Shelf) -> UUID:
    (certificate_id,) = promise(db, booking)
    jobs.issue(ctx, store=shelf, renderer=PlainRenderer(), keys=PlainKeys())
    return certificate_id


def ask(db: Database, certificate_id: UUID, round: int = 1) -> int:
    with db.unit_of_work() as work:
        return posting.send_again(work, certificate_id, round=round, by=SYSTEM, now=DONE)


def states(db: Database) -> Counter[object]:
    return Counter(state for (state,) in rows(db, "SELECT state FROM certificate_letters"))


def test_staff_sends_it_to_the_guardians_who_agreed_with_the_file_attached(
    ctx: JobContext, db: Database, issued: UUID, shelf: Shelf, box: Box, bells: list[Bell]
) -> None:
    bells.clear()
    assert ask(db, issued) == 2
    assert bells == [(JobName.SEND_CERTIFICATES, {})]
    assert letter_jobs.send(ctx, mail=box, store=shelf) == 2
    assert states(db) == Counter(sent=2)
    assert sorted(letter.to for letter in box.letters) == ["asha@family.example", "ravi@family.example"]
    ((number, token, sha256),) = rows(db, "SELECT number, token, pdf_sha256 FROM certificates")
    for letter in box.letters:
        message = message_of(letter, "Zonedesk <desk@zonedesk.example>")
        (file,) = message.iter_attachments()
        assert file.get_content() == shelf.get(str(sha256))
        assert file.get_filename() == f"certificate-{number}.pdf"
        assert file.get_content_type() == "application/pdf"
        assert message["Message-ID"] == f"<{letter.id}@zonedesk.example>"
        assert "Meena Rao" not in message["Subject"]
        assert "Meena Rao" in letter.text
        assert box.link().endswith(f"/verify/{number}/{token}")


def test_each_guardian_reads_it_in_a_language_the_desk_speaks(
    ctx: JobContext, db: Database, issued: UUID, shelf: Shelf, box: Box
) -> None:
    ask(db, issued)
    letter_jobs.send(ctx, mail=box, store=shelf)
    assert {letter.to: letter.language for letter in box.letters} == {
        "asha@family.example": "te",
        "ravi@family.example": "en",
    }


@pytest.mark.parametrize("wanted", [True, False])
def test_it_goes_by_itself_when_it_is_issued_only_where_the_setting_says_so(
    ctx: JobContext, db: Database, booking: Completed, shelf: Shelf, box: Box, wanted: bool
) -> None:
    promise(db, booking)
    context = mailing(ctx) if wanted else ctx
    jobs.issue(context, store=shelf, renderer=PlainRenderer(), keys=PlainKeys())
    with db.unit_of_work() as work:  # a second time changes nothing
        ((certificate_id,),) = rows(db, "SELECT id FROM certificates")
        if wanted:
            assert posting.send_when_issued(work, UUID(str(certificate_id)), now=DONE) == 0
    assert letter_jobs.send(context, mail=box, store=shelf) == (2 if wanted else 0)


def test_a_family_that_nobody_may_write_to_gets_its_certificate_all_the_same(
    ctx: JobContext, db: Database, booking: Completed, shelf: Shelf
) -> None:
    guardians(db, booking, ("No Consent", "no@family.example", "en", False))
    (certificate_id,) = promise(db, booking)
    assert jobs.issue(mailing(ctx), store=shelf, renderer=PlainRenderer(), keys=PlainKeys()) == 1
    assert states(db) == Counter()
    with pytest.raises(Conflict) as refused:
        ask(db, certificate_id)
    assert refused.value.code == "nobody-to-write-to"


def test_a_second_click_sends_nothing_and_a_second_wish_does(
    ctx: JobContext, db: Database, issued: UUID, shelf: Shelf, box: Box
) -> None:
    assert (ask(db, issued), ask(db, issued)) == (2, 0)
    letter_jobs.send(ctx, mail=box, store=shelf)
    assert ask(db, issued) == 0, "a page from before"
    assert ask(db, issued, round=2) == 2
    letter_jobs.send(ctx, mail=box, store=shelf)
    assert len({letter.id for letter in box.letters}) == 4, "mail programs show it again: it is another letter"
    with pytest.raises(Conflict):
        ask(db, issued, round=9)


def test_nobody_is_pestered_for_ever(db: Database, issued: UUID) -> None:
    for round in range(1, posting.MOST_ROUNDS + 1):
        ask(db, issued, round)
    with pytest.raises(Conflict) as refused:
        ask(db, issued, posting.MOST_ROUNDS + 1)
    assert refused.value.code == "letters-enough"


def test_what_is_not_issued_or_not_ones_own_is_not_sent(
    make: Make, db: Database, booking: Completed, issued: UUID
) -> None:
    stranger = make.staff(make.franchise()).actor
    with pytest.raises(NotFound), db.unit_of_work() as work:
        posting.send_again(work, issued, round=1, by=stranger, now=DONE)
    (pending,) = promise(db, completed_booking(make, db, "Arun"))
    with pytest.raises(Conflict) as refused:
        ask(db, pending)
    assert refused.value.code == "certificate-not-issued"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("UPDATE guardians SET consent_to_messages = false, consent_at = NULL", "no-consent"),
        ("UPDATE guardians SET email = NULL", "no-address"),
        (None, "not-valid"),
    ],
)
def test_what_changed_meanwhile_counts(
    ctx: JobContext, db: Database, issued: UUID, shelf: Shelf, box: Box, change: str | None, why: str
) -> None:
    ask(db, issued)
    if change is None:
        revoke(db, issued)
    else:
        with db.unit_of_work() as work:
            work.db.execute(text(change))
    assert letter_jobs.send(ctx, mail=box, store=shelf) == 0
    assert box.letters == []
    assert rows(db, "SELECT DISTINCT state, last_error FROM certificate_letters") == [("dropped", why)]


def test_an_erased_family_is_never_written_to(
    make: Make, ctx: JobContext, db: Database, booking: Completed, issued: UUID, shelf: Shelf, box: Box
) -> None:
    ask(db, issued)
    household, admin = household_of(db, booking), make.admin()
    with db.unit_of_work() as work:
        erase_family(work, household, reason=ErasureReason.ASKED_FOR, by=admin.actor, now=DONE + DAY)
    assert states(db) == Counter(), "the letters went with the guardians"
    assert letter_jobs.send(later(ctx, DAY), mail=box, store=shelf) == 0
    assert box.letters == []
    with pytest.raises(Conflict) as refused:
        ask(db, issued)
    assert refused.value.code == "certificate-erased"


def test_a_family_is_not_erased_while_a_letter_is_being_handed_over(
    make: Make, ctx: JobContext, db: Database, booking: Completed, issued: UUID, shelf: Shelf
) -> None:
    """It could not be called back, and would arrive after the erasure."""
    ask(db, issued)
    household, admin = household_of(db, booking), make.admin()
    found: list[str] = []

    class Slow(Box):
        def send(self, envelope: Envelope) -> None:
            with pytest.raises(Conflict) as refused, db.unit_of_work() as work:
                erase_family(work, household, reason=ErasureReason.ASKED_FOR, by=admin.actor, now=DONE)
            found.append(refused.value.code)

    letter_jobs.send(ctx, mail=Slow(), store=shelf)
    assert found == ["letter-going"] * 2
    with db.unit_of_work() as work:
        assert erase_family(work, household, reason=ErasureReason.ASKED_FOR, by=admin.actor, now=DONE)


def test_killed_between_sending_and_noting_it_is_sent_again_under_the_same_id(
    ctx: JobContext, db: Database, issued: UUID, shelf: Shelf
) -> None:
    ask(db, issued)

    class Killed(BaseException):
        """What no handler catches."""

    class Deadly(Box):
        def send(self, envelope: Envelope) -> None:
            super().send(envelope)
            raise Killed

    first, second = Deadly(), Box()
    with pytest.raises(Killed):
        letter_jobs.send(ctx, mail=first, store=shelf)
    letter_jobs.send(ctx, mail=second, store=shelf)
    assert len(second.letters) == 1, "the other guardian's; this one's lease still runs"
    assert letter_jobs.send(later(ctx, 5 * MINUTE), mail=second, store=shelf) == 1
    assert first.last.id == second.last.id
    assert states(db) == Counter(sent=2)


def test_whoever_lost_the_lease_changes_nothing(db: Database, issued: UUID) -> None:
    ask(db, issued)
    ((letter_id, *_),) = rows(db, "SELECT id FROM certificate_letters ORDER BY id LIMIT 1")
    assert isinstance(letter_id, UUID)

    def claim(at: timedelta) -> Held | None:
        with db.unit_of_work() as work:
            return posting.claim(work, letter_id, now=DONE + at, lease_for=MINUTE)

    slow = claim(timedelta(0))
    assert slow is not None
    assert claim(timedelta(0)) is None
    quick = claim(10 * MINUTE)
    assert quick is not None
    with db.unit_of_work() as work:
        assert not posting.record_sent(work, slow, now=DONE)
        assert not posting.record_dropped(work, slow, "no-consent")
        assert posting.record_failure(work, slow, "x", permanent=True, now=DONE) is None
        assert posting.record_sent(work, quick, now=DONE)


def test_a_refused_letter_is_a_dead_letter_that_somebody_tries_again(
    ctx: JobContext, db: Database, issued: UUID, shelf: Shelf, box: Box, bells: list[Bell]
) -> None:
    ask(db, issued)
    box.refusals = [MailRefused("recipient-550", permanent=True)]
    assert letter_jobs.send(ctx, mail=box, store=shelf) == 1
    assert states(db) == Counter(failed=1, sent=1)
    ((failed,),) = rows(db, "SELECT id FROM certificate_letters WHERE state = 'failed'")
    ((sent,),) = rows(db, "SELECT id FROM certificate_letters WHERE state = 'sent'")
    with db.read_only() as session:
        found, total = queries.letters_given_up(session, visible_to=SYSTEM, limit=10)
        assert (total, found[0].last_error) == (1, "recipient-550")
        assert queries.letters_in_trouble(session, DONE) == (0, 1)
    bells.clear()
    for letter_id in (failed, failed, sent):
        with db.unit_of_work() as work:
            assert posting.try_again(work, UUID(str(letter_id)), by=SYSTEM, now=DONE) == issued
    assert bells == [(JobName.SEND_CERTIFICATES, {})]
    assert letter_jobs.send(ctx, mail=box, store=shelf) == 1
    assert states(db) == Counter(sent=2)


def test_tries_end(ctx: JobContext, db: Database, issued: UUID, shelf: Shelf) -> None:
    ask(db, issued)
    for day in range(2 * LETTER_TRIES + 4):
        refusals = [MailRefused("letter-452", permanent=False)] * 2
        letter_jobs.send(later(ctx, day * DAY), mail=Box(refusals), store=shelf)
    assert rows(db, "SELECT DISTINCT state, attempts FROM certificate_letters") == [("failed", LETTER_TRIES)]


@pytest.mark.parametrize(
    ("problem", "tried"),
    [(MailRefused("no-answer", permanent=False, away=True), 1), (MailRefused("letter-452", permanent=False), 2)],
)
def test_a_mail_server_that_is_away_is_asked_once(
    ctx: JobContext, db: Database, issued: UUID, shelf: Shelf, problem: MailRefused, tried: int
) -> None:
    ask(db, issued)
    letter_jobs.send(ctx, mail=Box([problem] * 2), store=shelf)
    assert rows(db, "SELECT sum(attempts), count(*) FILTER (WHERE state = 'pending') FROM certificate_letters") == [
        (tried, 2)
    ]


def test_a_missing_file_and_a_store_that_is_away_wait_for_somebody(
    ctx: JobContext, db: Database, issued: UUID, shelf: Shelf, box: Box
) -> None:
    ask(db, issued)
    files, shelf.files = shelf.files, {}
    assert letter_jobs.send(ctx, mail=box, store=shelf) == 0
    assert rows(db, "SELECT DISTINCT state, last_error FROM certificate_letters") == [("pending", "file-missing")]

    class Away(Shelf):
        def get(self, sha256: str) -> bytes:
            raise OSError("no route to 10.0.0.7")

    letter_jobs.send(later(ctx, DAY), mail=box, store=Away())
    assert rows(db, "SELECT count(*) FROM certificate_letters WHERE last_error = 'store-away'") == [(1,)]
    shelf.files = files
    assert letter_jobs.send(later(ctx, 2 * DAY), mail=box, store=shelf) == 2


def test_no_address_stands_in_rows_audit_or_log(
    ctx: JobContext, db: Database, issued: UUID, shelf: Shelf, box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    ask(db, issued)
    box.refusals = [MailRefused("recipient-550", permanent=True)]
    letter_jobs.send(ctx, mail=box, store=shelf)
    told = str(rows(db, "SELECT * FROM certificate_letters")) + str(rows(db, "SELECT * FROM audit_entries"))
    assert "family.example" not in told + caplog.text
    assert "Asha" not in told + caplog.text
    assert {what for (what,) in rows(db, "SELECT what FROM audit_entries WHERE what LIKE 'certificate.letter%'")} == {
        "certificate.letters_promised",
        "certificate.letter_sent",
    }


def test_each_letter_is_sent_on_behalf_of_its_own_operator_and_rung_for_until_it_is(
    make: Make, ctx: JobContext, db: Database, issued: UUID, shelf: Shelf, box: Box, bells: list[Bell]
) -> None:
    ask(db, issued)
    bells.clear()
    with acting_for_nobody():
        assert letter_jobs.ring(later(ctx, MINUTE))
        assert bells == [(JobName.SEND_CERTIFICATES, {})]
        assert letter_jobs.send(later(ctx, MINUTE), mail=box, store=shelf) == 2
        assert not letter_jobs.ring(later(ctx, 2 * MINUTE))
