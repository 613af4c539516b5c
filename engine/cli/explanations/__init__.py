"""`meterline explain`: why a line comes to what it comes to."""
