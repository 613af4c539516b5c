"""Accounts: what each customer owes in each currency, invoice by invoice, and what it has paid. Below closing, which issues into them.

invoice_states  the states of an invoice, and what leads from one to another: one table
amounts         minor units, in which all of this is counted, to decimals and texts and back
account         one account: what is done to it becomes entries. Pure
account_store   accounts out of the catalog store, and their entries into it, with the facts that follow
figures         what is paid, credited, written off and outstanding of invoices; balances of accounts
"""
