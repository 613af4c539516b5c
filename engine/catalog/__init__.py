"""What is metered, what it costs, and who buys it: documents in, versioned snapshots out.

`kinds` says what there is: meters, plans, customers, subscriptions, one class each. `snapshots` is a tenant's catalog as it
was at a revision, in memory; `documents` reads a document's text and compares it with a snapshot; `single` changes
resources one by one. `store` keeps versions in the database: by it the catalog is entered. `limits` has every bound, with
its reason.
"""
