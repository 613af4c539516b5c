"""What plans and the terms of subscriptions must hold against each other, over all of their versions."""
