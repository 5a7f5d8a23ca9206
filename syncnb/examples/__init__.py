"""Databases in a broken state, the same at every call, to learn and to test on.

Each package in here is one demo: a `SCENE`, which is plain data. Nothing else lists them.
"""

from syncnb.examples.building import demo

__all__ = ["demo"]
