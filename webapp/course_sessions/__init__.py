"""Teaching: attendance, completion, make-ups."""
