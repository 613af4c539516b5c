"""What asks for one customer: how a request of each operation that a customer's own credential may call names whom."""

BY_CUSTOMER = {
    "GetSpend": lambda who: {"customer_id": who},
    "WatchSpend": lambda who: {"customer_id": who},
    "CheckAccess": lambda who: {"customer_id": who},
    "ListReservations": lambda who: {"customer_id": who},
    "ListAlertCrossings": lambda who: {"customer_id": who},
    "ListCustomerAlerts": lambda who: {"customer_id": who},
    "SetCustomerBudget": lambda who: {"customer_id": who, "amount": "5", "thresholds": ["80"]},
    "ListLineItems": lambda who: {"customer_id": who},
    "ListInvoices": lambda who: {"customer_id": who},
    "GetInvoice": lambda who: {"customer_id": who, "number": "INV-000001"},
    "ListInvoiceLines": lambda who: {"customer_id": who, "number": "INV-000001"},
    "GetInvoiceDocument": lambda who: {"customer_id": who, "number": "INV-000001"},
    "ListPayments": lambda who: {"customer_id": who},
    "GetAccount": lambda who: {"customer_id": who, "currency": "USD"},
    "ListAccountEntries": lambda who: {"customer_id": who, "currency": "USD"},
    "GetCreditNote": lambda who: {"customer_id": who, "number": "CN-000001"},
    "ListCreditNotes": lambda who: {"customer_id": who},
    "ExplainLineItem": lambda who: {"customer_id": who, "line_item_id": "0" * 32},
    "QueryUsage": lambda who: {"customer_ids": [who]},
    "ListEvents": lambda who: {"customer_ids": [who]},
}
