"""What serves the operations: messages in, messages out, whatever the transport."""
