"""Forms of the desk: the booking form, and the small ones of a booking's pages."""

from __future__ import annotations

from webapp.desk.forms.booking import BookingForm
from webapp.desk.forms.fields import AUTOMATIC
from webapp.desk.forms.small import PaymentForm, ProposeForm, ReasonForm

__all__ = ["AUTOMATIC", "BookingForm", "PaymentForm", "ProposeForm", "ReasonForm"]
