"""Families: guardians, their consent, their students."""
