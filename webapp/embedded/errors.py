"""What goes wrong with the embedded servers, worded for the person at the keyboard."""

from __future__ import annotations


class EmbeddedError(Exception):
    """The embedded servers cannot run; the message is one clear sentence."""
