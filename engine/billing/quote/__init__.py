"""Quotes: what given quantities would cost under a plan or a list of prices. Pure; no engine is needed."""
