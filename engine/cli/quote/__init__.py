"""`meterline quote`: its options, the files it reads, what it prints."""
