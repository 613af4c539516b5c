"""`meterline import`: files to requests, and an account of every row."""
