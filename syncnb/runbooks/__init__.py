"""Runbooks: notebooks made from a template, and run as a record with a report."""

from syncnb.runbooks.running import Record, run_notebook
from syncnb.runbooks.templates import TEMPLATES, write_template

__all__ = ["TEMPLATES", "Record", "run_notebook", "write_template"]
