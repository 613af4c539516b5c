"""InvoiceService: billing periods closed, invoices shown and voided."""
