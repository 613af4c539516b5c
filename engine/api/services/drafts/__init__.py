"""DraftInvoiceService: invoices before their issue."""
