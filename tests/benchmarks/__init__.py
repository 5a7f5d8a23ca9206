"""Benchmarks: ratios against a floor measured in the same run. They print, and assert no seconds."""
