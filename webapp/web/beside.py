"""What the page of a lower room shows from higher rooms, which it may not import.

The lower room's ``views`` ask a named question; ``desk.beside`` hands in the function that answers it::

    TRAINERS_IN: Question[[Session, UUID, Actor], tuple[Named, ...]] = Question("zones.trainers")
    TRAINERS_IN(db, zone_id, actor)                     # in the view
    TRAINERS_IN.answer_with(app, trainers_of_zone)      # in desk.beside
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, ParamSpec, TypeVar

from flask import Flask, current_app

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")
_KEY: Final = "zonedesk_beside"


@dataclass(frozen=True, slots=True)
class Question(Generic[Asked, Answer]):
    """A question with a name; a typed call asks it."""

    name: str

    def __call__(self, *args: Asked.args, **kwargs: Asked.kwargs) -> Answer:
        """The answer. Raises ``KeyError`` when the app handed no function in."""
        functions: dict[str, Callable[..., Any]] = current_app.extensions[_KEY]
        answer: Answer = functions[self.name](*args, **kwargs)
        return answer

    def answer_with(self, app: Flask, function: Callable[Asked, Answer]) -> None:
        """Let ``function`` answer in this app."""
        app.extensions.setdefault(_KEY, {})[self.name] = function
