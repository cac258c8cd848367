"""What must never be so of certificates, asked in plain SQL and of the files by somebody who knows nothing of the desk.

As in ``checkers``: psycopg and nothing of the application. Every check counts breaches, all of them must be 0, and
``test_f5n_controls`` proves of each that it can find something.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import psycopg

from tests.faults.checkers import one_number

MOST_ABSENCES = 6
"""Rule C1."""
_OUT = "('issued', 'revoked', 'replaced')"

DUE = f"""
SELECT b.id AS booking_id, s.student_id FROM bookings b JOIN booking_students s ON s.booking_id = b.id
WHERE b.status = 'completed' AND b.total_sessions = 30 AND b.closed_reason IS NULL
  AND (SELECT count(*) FROM attendance a JOIN course_sessions c ON c.id = a.course_session_id
       WHERE a.booking_id = b.id AND a.student_id = s.student_id AND a.mark = 'absent' AND c.status = 'completed')
      <= {MOST_ABSENCES}
"""
"""Every student who has earned one."""

CHECKS = {
    "lost": f"""
        SELECT count(*) FROM ({DUE}) AS due
        WHERE NOT EXISTS (SELECT FROM certificates c WHERE (c.booking_id, c.student_id)
                          = (due.booking_id, due.student_id) AND c.state IN {_OUT})""",
    "not earned": f"""
        SELECT count(*) FROM certificates c
        WHERE NOT EXISTS (SELECT FROM ({DUE}) AS due
                          WHERE (c.booking_id, c.student_id) = (due.booking_id, due.student_id))""",
    "duplicates": """
        SELECT count(*) FROM (SELECT FROM certificates WHERE replaced_by_id IS NULL
                              GROUP BY booking_id, student_id HAVING count(*) > 1) AS twice""",
    "two visible numbers": """
        SELECT count(*) FROM (SELECT FROM certificates WHERE state IN ('issued', 'revoked')
                              GROUP BY booking_id, student_id HAVING count(DISTINCT number) > 1) AS twice""",
    "one number twice": """
        SELECT count(*) FROM (SELECT FROM certificates GROUP BY number HAVING count(*) > 1) AS twice""",
    "open promises": "SELECT count(*) FROM certificates WHERE state IN ('pending', 'failed')",
    "leases that outlast": f"SELECT count(*) FROM certificates WHERE state IN {_OUT} AND lease IS NOT NULL",
    "published twice, or untold": f"""
        SELECT count(*) FROM certificates c
        WHERE c.state IN {_OUT} AND 1 <> (SELECT count(*) FROM audit_entries a
                                          WHERE a.subject_id = c.id AND a.what = 'certificate.issued')""",
    "not as published": f"""
        SELECT count(*) FROM certificates c JOIN audit_entries a ON a.subject_id = c.id
        WHERE c.state IN {_OUT} AND a.what = 'certificate.issued'
          AND (a.after ->> 'pdf_sha256', a.after ->> 'credential_sha256')
              IS DISTINCT FROM (c.pdf_sha256::text, c.credential_sha256::text)""",
    "promised twice, or untold": """
        SELECT count(*) FROM certificates c
        WHERE 1 <> (SELECT count(*) FROM audit_entries a
                    WHERE a.subject_id = c.id AND a.what = 'certificate.promised')""",
    "completed by halves": """
        SELECT count(*) FROM bookings b
        WHERE (b.status = 'completed')
           <> (b.total_sessions = (SELECT count(DISTINCT c.number) FROM course_sessions c
                                   WHERE c.booking_id = b.id AND c.status = 'completed'))""",
    "void and on no list": """
        SELECT count(*) FROM certificates c
        WHERE c.state IN ('revoked', 'replaced') AND NOT EXISTS (
            SELECT FROM revocation_lists l
            WHERE l.year = extract(year FROM c.awarded_on) AND strpos(l.document, c.id::text) > 0
              AND l.number = (SELECT max(number) FROM revocation_lists newest WHERE newest.year = l.year))""",
    "files not erased": """
        SELECT count(*) FROM certificates
        WHERE erased_at IS NOT NULL AND file_erased_at IS NULL AND pdf_sha256 IS NOT NULL""",
}
_FILES = f"""
SELECT id, pdf_sha256, credential_sha256, erased_at IS NOT NULL FROM certificates WHERE state IN {_OUT}
"""


def breaches(address: str, folder: Path) -> dict[str, int]:
    """What each check counts in the database at a libpq address, and among the files kept under ``folder``."""
    return breaches_if(address, folder, ())


def breaches_if(address: str, folder: Path, statements: Sequence[str]) -> dict[str, int]:
    """What each check would count after some statements, which are then undone."""
    with psycopg.connect(address) as db:
        for statement in statements:
            db.execute(statement.encode())
        found = {name: one_number(db, sql) for name, sql in CHECKS.items()}
        rows = db.execute(_FILES.encode()).fetchall()
        db.rollback()
    found |= {"files missing or changed": 0, "files left of the erased": 0}
    for _id, *hashes, erased in rows:
        for sha256 in hashes:
            if sha256 is None:
                continue
            if erased:
                found["files left of the erased"] += kept(folder, str(sha256)) is not None
            else:
                found["files missing or changed"] += not is_whole(folder, str(sha256))
    return found


def numbers(address: str) -> dict[str, int]:
    """How many certificates are due, and how many are out."""
    with psycopg.connect(address, autocommit=True) as db:
        return {
            "due": one_number(db, f"SELECT count(*) FROM ({DUE}) AS due"),
            "issued": one_number(db, f"SELECT count(*) FROM certificates WHERE state IN {_OUT}"),
        }


def kept(folder: Path, sha256: str) -> bytes | None:
    """The file that is kept under a hash."""
    try:
        return (folder / sha256[:2] / sha256[2:4] / sha256).read_bytes()
    except FileNotFoundError:
        return None


def is_whole(folder: Path, sha256: str) -> bool:
    """Whether the file of this hash is there and is what was hashed."""
    content = kept(folder, sha256)
    return content is not None and hashlib.sha256(content).hexdigest() == sha256


def orphans(address: str, folder: Path) -> int:
    """Files that no row names: the work of tries that were overtaken."""
    with psycopg.connect(address, autocommit=True) as db:
        named = {str(sha256) for _id, *hashes, _erased in db.execute(_FILES.encode()) for sha256 in hashes if sha256}
    return sum(path.is_file() and path.name not in named for path in folder.rglob("*"))
