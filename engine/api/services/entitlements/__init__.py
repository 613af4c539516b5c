"""EntitlementService: what customers may use, and what is left of it."""
