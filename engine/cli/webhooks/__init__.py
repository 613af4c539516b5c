"""Webhooks: endpoints made and changed, deliveries looked at and replayed."""
