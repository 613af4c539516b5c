"""How charges become amounts: prices compiled to tables, and stages that run on whole columns."""
