"""The one vocabulary of causes, and which codes and texts of both engines point to which of them.

Everything in here is data: `CAUSES` by name, and the signs in `codes` and `languages`.
"""

from syncnb.diagnosing.causes import cells, running, structure, upserts
from syncnb.diagnosing.causes.cause import Cause, Severity
from syncnb.diagnosing.causes.codes import Sign, candidates
from syncnb.diagnosing.causes.languages import code_of_text

__all__ = ["CAUSES", "Cause", "Severity", "Sign", "candidates", "code_of_text"]

CAUSES: dict[str, Cause] = {**upserts.CAUSES, **cells.CAUSES, **structure.CAUSES, **running.CAUSES}
"""Every cause by its name."""
