"""SpendLinkService: signed links to the spend page."""
