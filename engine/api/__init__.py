"""The gRPC face of the engine: messages in, messages out, errors as statuses."""
