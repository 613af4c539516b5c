"""Who may call: tenants, API keys with their scopes, and the record of who changed what.

    caller         who calls: a tenant, scopes, perhaps one customer; and whether that allows a call
    api_keys       an API key: its text, and the hash that is kept of it
    signed         links to one customer's spend, and sessions of the operator's page: signed, and kept nowhere
    access_store   tenants and API keys in the catalog database
    authenticator  from what a call carries to who calls
    tenant_limits  what a tenant may ask of a gateway, each limit with its reason
    tenant_limit_store  what was set for single tenants, in the catalog database
    allowances     what is left to each tenant of its limits; token_bucket: of one that counts by the second
    oidc           people's sign-on: a provider's tokens in the place of keys
    audit_log      what was changed, by whose credential, in the catalog database
    key_ring       keys and tenants made, rotated and revoked
    first_key      the key of a first start, and the file of the key under which secrets are hashed
    local_engines  how a command finds the key of an engine on this machine

Everything is refused that a credential does not allow. The tenant is the credential's, never the payload's.
"""

__all__ = [
    "access_store",
    "allowances",
    "api_keys",
    "audit_log",
    "authenticator",
    "caller",
    "first_key",
    "key_ring",
    "local_engines",
    "oidc",
    "signed",
    "tenant_limit_store",
    "tenant_limits",
    "token_bucket",
]
