"""What all commands share: the engine they call, the options they take, what they print."""
