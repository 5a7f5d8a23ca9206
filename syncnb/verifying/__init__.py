"""The proof: what a run wrote is read again, by a reader that knows nothing of the run's own transaction."""

from syncnb.verifying.proving import verify
from syncnb.verifying.rolls import roll_call

__all__ = ["roll_call", "verify"]
