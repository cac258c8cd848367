"""Finding the trainer for a whole booking: eligibility, ranking, proposals, approvals."""
