"""`meterline simulate`: another catalog over past usage."""
