"""The commands about the catalog."""
