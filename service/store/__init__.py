"""The database: one engine, one declarative base, one alembic chain; SQLite by default, PostgreSQL at scale."""
