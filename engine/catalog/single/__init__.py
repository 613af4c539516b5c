"""Resources of a catalog one by one: their etags, changes and uses, and the listing of a kind. Pure."""
