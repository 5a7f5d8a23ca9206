"""What a person can click in a notebook. Each panel has a model without widgets, and a thin widget over it."""
