"""Where letters arrive in tests, and how their links are read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from webapp.clients.mail import Envelope, MailRefused


@dataclass
class Box:
    """Takes letters; refuses as often as ``refusals`` says, one after the other."""

    refusals: list[MailRefused] = field(default_factory=list)
    letters: list[Envelope] = field(default_factory=list)

    def send(self, envelope: Envelope) -> None:
        """Keep the letter."""
        if self.refusals:
            raise self.refusals.pop(0)
        self.letters.append(envelope)

    @property
    def last(self) -> Envelope:
        """The newest letter."""
        return self.letters[-1]

    def link(self, index: int = -1) -> str:
        """The one address in a letter."""
        (found,) = re.findall(r"https?://\S+", self.letters[index].text)
        return str(found)

    def path(self, index: int = -1) -> str:
        """The path of the one address in a letter."""
        return "/" + self.link(index).split("/", 3)[3]
