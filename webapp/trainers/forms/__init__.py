"""Forms of the trainers' pages: filters, a trainer, time off, whom they are kept apart from."""
