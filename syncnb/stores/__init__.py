"""Databases, files and frames behind one small port; the only rooms that make SQL."""
