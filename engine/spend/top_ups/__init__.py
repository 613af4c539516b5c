"""Top-ups: who has less credit left than a rule of its says is granted paid credit, once for each time.

top_up_pass  the upkeep: whose balance may have changed is measured, as alerts measure it
store        the grant, its record and its fact, in one transaction
"""
