"""Webhooks: facts of the outbox posted to the endpoints that tenants named, signed as Standard Webhooks says.

endpoints   where a tenant wants to hear what, kept in the catalog database
deliveries  what each endpoint is still to hear, and every attempt
deliverer   the passes that post what is due
posting     one POST, to an address that was checked
addresses   which addresses may be posted to
signing     secrets, message ids, signatures
"""

__all__ = ["addresses", "deliverer", "deliveries", "endpoints", "posting", "signing"]
