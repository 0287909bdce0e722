"""What a call belongs to: its execution, what FlyteAdmin would know of that, and which of its nodes the call is."""
