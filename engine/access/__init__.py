"""Who may call: tenants, API keys with their scopes, and the record of who changed what.

    caller         who calls: a tenant, scopes, perhaps one customer; and whether that allows a call
    api_keys       an API key: its text, and the hash that is kept of it
    access_store   tenants and API keys in the catalog database
    authenticator  from what a call carries to who calls
    audit_log      what was changed, by whose credential, in the catalog database
    key_ring       keys and tenants made, rotated and revoked
    first_key      the key of a first start, and the file of the key under which secrets are hashed
    secret_files   files that hold one secret
    local_engines  how a command finds the key of an engine on this machine

Everything is refused that a credential does not allow. The tenant is the credential's, never the payload's.
"""

__all__ = [
    "access_store",
    "api_keys",
    "audit_log",
    "authenticator",
    "caller",
    "first_key",
    "key_ring",
    "local_engines",
    "secret_files",
]
