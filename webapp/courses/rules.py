"""Courses: what is taught and what trainers are certified for."""

from __future__ import annotations

from dataclasses import dataclass

from webapp.core.names import clean_name, name_key


@dataclass(frozen=True, slots=True)
class CourseCommand:
    """A course to create or change. An inactive course keeps its bookings but takes no new ones."""

    name: str
    active: bool = True

    def checked(self) -> CourseCommand:
        """The same with a clean name. Raises ``Invalid`` for field ``name``."""
        return CourseCommand(clean_name(self.name), self.active)

    @property
    def name_key(self) -> str:
        """What the name is compared by; unique among courses."""
        return name_key(self.name)
