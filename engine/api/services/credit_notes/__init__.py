"""CreditNoteService: what invoices billed, given back in whole or line by line."""
