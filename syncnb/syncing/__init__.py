"""Two databases kept in step: what both agreed on, and the unattended run."""

from syncnb.syncing.agreeing import Agreement, agree
from syncnb.syncing.synced import Synced, Waiting
from syncnb.syncing.verb import sync

__all__ = ["Agreement", "Synced", "Waiting", "agree", "sync"]
