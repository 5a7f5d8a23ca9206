"""Arrow columns as a DataFrame with Arrow dtypes: no integer becomes a float, NULL is NA and never NaN."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["frame"]


def frame(columns: "Mapping[str, pa.Array | Sequence[Any]]") -> "pd.DataFrame":
    """A DataFrame of these columns in this order, each with the Arrow dtype it has.

    Plain Python sequences are columns of text, integers or booleans, whichever they hold.
    """
    # Here, so that a catalogue can be read and shown without the time that pandas takes to load.
    import pandas as pd
    import pyarrow as pa

    def series(values: "pa.Array | Sequence[Any]") -> "pd.Series[Any]":
        array = values if isinstance(values, pa.Array) else pa.array(list(values))
        if array.type == pa.null():
            array = array.cast(pa.string())
        return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([array])))

    return pd.DataFrame({name: series(values) for name, values in columns.items()})
