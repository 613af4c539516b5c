"""What is done to stores without an engine.

migrating  a catalog store brought to this version's schema
restoring  a backup put into new stores
examining  a deployment checked, which may be at work
"""
