"""The proof: what a run wrote is read again, by a reader that knows nothing of the run's own transaction."""

from syncnb.verifying.proving import verify

__all__ = ["verify"]
