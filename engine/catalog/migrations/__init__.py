"""The catalog's schema, step by step: Alembic's scripts, run when a store is opened."""
