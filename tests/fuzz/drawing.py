"""How many examples are drawn, and texts that nobody would write on purpose."""

import os

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests.fuzz.corpus import TEXTS

__all__ = ["drawn", "texts"]

MORE = int(os.environ.get("SYNCNB_PROOF_EXAMPLES", "0"))
texts = st.one_of(st.sampled_from(TEXTS), st.text(st.characters(exclude_categories=["Cs"]), max_size=40))


def drawn(examples: int, *, shrink: bool = True) -> settings:
    """The same draws in each run of the suite; `python -m tests.proof` asks for more of them, and for others.

    shrink: not of use where the failure itself names the one of many texts that it is about.
    """
    return settings(
        max_examples=MORE or examples, derandomize=not MORE, deadline=None, database=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if MORE and shrink else [])],
    )  # fmt: skip
