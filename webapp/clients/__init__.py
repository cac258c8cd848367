"""Doors to the outside: each a Protocol with its own errors, and the classes that stand behind it."""
