"""Personal data of one customer."""
