"""WebhookService."""
