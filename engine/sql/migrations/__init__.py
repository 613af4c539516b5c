"""The schema of the catalog database, step by step: Alembic's scripts, run when the database is opened."""
