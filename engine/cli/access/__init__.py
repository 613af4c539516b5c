"""Who may call: keys, tenants, and the record of who changed what."""
