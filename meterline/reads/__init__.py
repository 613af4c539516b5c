"""What the engine is asked: spend, line items and usage, as frozen values with exact Decimals."""
