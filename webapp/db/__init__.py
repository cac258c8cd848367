"""The database boundary: base of the tables, unit of work, tenancy. SQLAlchemy only."""
