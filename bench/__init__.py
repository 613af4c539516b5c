"""Measurements that anyone can repeat; each prints a table and, last, one line of JSON."""
