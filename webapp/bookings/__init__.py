"""Bookings, the schedules generated for them, enquiries and the waitlist."""
