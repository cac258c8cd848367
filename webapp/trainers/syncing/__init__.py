"""The synchronisation with the trainer service: what is asked, what becomes of the answers, and how it went."""
