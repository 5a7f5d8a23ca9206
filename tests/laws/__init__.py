"""Laws that hold for all values, held by Hypothesis."""
