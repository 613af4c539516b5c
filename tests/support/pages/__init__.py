"""The spend page in tests: a world of customers, links to them, and requests of browsers."""
