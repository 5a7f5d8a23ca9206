"""The same till as `missing_constraint`, in an installation where nothing is unique.

The columns of the conflict targets came with a migration that stopped half-way: they are NULL in every row.
"""

from syncnb.examples.missing_constraint import scene

__all__ = ["SCENE"]

SCENE = scene(
    ",\n    wand_source_id uuid",
    ",\n    wand_source_id uuid,\n    path_id text",
    ",\n    wand_source_id uuid",
    {"integration_products": 1, "integration_modifiers": 2, "integration_discounts": 1},
)
"""No unique rule but the primary keys; 425, 685 and 10 rows with `wand_source_id` NULL."""
