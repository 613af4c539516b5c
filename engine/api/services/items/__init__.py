"""InvoiceItemService: what customers are charged once, or given back once."""
