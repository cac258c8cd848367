"""When a trainer is away."""

from __future__ import annotations

from datetime import datetime

from flask_babel import lazy_gettext as _l

from webapp.core.intervals import Interval
from webapp.core.names import MAX_NAME
from webapp.trainers.forms.fields import KeyField
from webapp.trainers.rules import time_off_period
from webapp.web.forms import BaseForm, DayField, TextField, TimeslotField, needed


class TimeOffForm(BaseForm):
    """The first and the last day away, whole unless times are given. ``key`` is the id the absence will have."""

    key = KeyField()
    from_date = DayField(_l("First day away"), [needed(_l("Give the first day."))])
    from_time = TimeslotField(_l("From what time"))
    to_date = DayField(_l("Last day away"))
    to_time = TimeslotField(_l("Until what time"))
    reason = TextField(_l("Reason"), max_length=MAX_NAME)

    def period(self, time_zone: str, *, now: datetime) -> Interval:
        """The time away; without a last day it is the first day alone. Raises ``Invalid`` for the day at fault."""
        first = self.from_date.data
        last = self.to_date.data or first
        return time_off_period(first, self.from_time.data, last, self.to_time.data, time_zone, now=now)
