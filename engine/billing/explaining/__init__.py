"""Explaining: why a line comes to what it comes to.

explanation      what is said of a line
settled_line     what each term of money did to one line of settled ones. Pure
line_steps       from the quantity of a line to its amount, step by step. Pure
sentences        the same for whoever pays, in plain English. Pure
period_words     billing periods as people call them. Pure
facts_between    what came in about a line's usage between two watermarks
booked_before    what was booked of a line before an invoice corrected it
replay           the line of an invoice computed again from events, and compared
explainer        a draft line, or the line of an invoice, explained: what reads
"""
