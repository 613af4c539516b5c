"""People's sign-on: tokens of an OIDC provider in the place of API keys.

token_rules   which tokens count, in the operator's words
signing_keys  the provider's public keys, read again when they change
tokens        from a token to who calls
"""

__all__ = ["signing_keys", "token_rules", "tokens"]
