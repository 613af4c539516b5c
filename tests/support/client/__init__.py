"""A scripted engine, and a recorder that is killed."""
