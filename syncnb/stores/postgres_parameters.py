"""What a PostgreSQL connection is opened with, kept so that nothing prints it."""

from collections.abc import Iterator, Mapping

from syncnb.errors import ConnectError

__all__ = ["Parameters"]


class Parameters(Mapping[str, str]):
    """Connection parameters that no repr, `vars`, `asdict` or pickle spells out."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        return "***"

    def __deepcopy__(self, memo: object) -> "Parameters":
        return self

    def __reduce__(self) -> str:
        raise ConnectError(
            "a store is not pickled, its password would go with it",
            hint="pass the name of the environment variable and connect there with env=NAME",
        )
