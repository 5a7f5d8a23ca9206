"""Kinds, canonical values, how a person reads a value, and why two cells are equal or not."""
