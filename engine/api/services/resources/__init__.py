"""Single resources of the catalog on the wire."""
