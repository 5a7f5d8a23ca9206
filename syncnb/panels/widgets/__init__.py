"""Thin widgets over the desk: they show what it has in hand, and call it. Only these need a browser."""
