"""Finding every difference: one module a strategy, and the verb that chooses."""
