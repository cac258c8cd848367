"""Operations: who leads, and who gave a sign of life."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.base import Base


class Lease(Base):
    """Leadership of a periodic process: whoever holds the row until ``lease_until`` leads.

    A row and not a session advisory lock, which leaks through a transaction pooler.
    """

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    holder: Mapped[str] = mapped_column(String(128))
    lease_until: Mapped[datetime]
