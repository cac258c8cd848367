"""Every table of the desk, imported once, so that foreign keys by name resolve in any process."""

from __future__ import annotations

import webapp.accounts.models
import webapp.assignments.models
import webapp.audit.models
import webapp.bookings.models
import webapp.certificates.designs.models
import webapp.certificates.models
import webapp.certificates.request_models
import webapp.course_sessions.models
import webapp.courses.models
import webapp.households.models
import webapp.operators.models
import webapp.ops.models
import webapp.schedule.models
import webapp.trainers.models
import webapp.trainers.sync_models
import webapp.zones.import_models
import webapp.zones.models  # noqa: F401 - imported for their tables
from webapp.db.base import Base

metadata = Base.metadata
"""What migrations compare the database with."""
