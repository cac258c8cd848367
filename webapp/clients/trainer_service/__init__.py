"""The trainer service: what it says (``said``) and how it is asked."""
