"""What this deployment signs and does not keep.

signed_texts       what the others are made of
spend_links        signed links, by which a customer reads what it spends
operator_sessions  what an API key is exchanged for at the operator's page
"""
