"""`meterline compare`: bills of another system beside what Meterline makes of the same usage.

old_bills        the file: rows of lines, by customer, month, label and currency
compared_lines   both beside each other, summed up by these
causes           why a line differs: one cause each. Pure
usage_evidence   what the engine says of a line's usage: its last hours, and what came late
compare_command  the command
"""
