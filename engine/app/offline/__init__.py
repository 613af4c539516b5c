"""What is done to stores while no engine works on them.

migrating  a catalog store brought to this version's schema
restoring  a backup put into new stores
"""
