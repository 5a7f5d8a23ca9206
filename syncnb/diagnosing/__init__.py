"""Why a sync fails, or loses data without failing: causes ranked, with evidence and a way out."""

from syncnb.diagnosing.conflict_targets import Explanation, explain_conflict
from syncnb.diagnosing.findings import Evidence, Finding, Findings
from syncnb.diagnosing.verb import diagnose

__all__ = ["Evidence", "Explanation", "Finding", "Findings", "diagnose", "explain_conflict"]
