"""The word for NULL in a frame that a person edits."""

__all__ = ["NULL", "Null"]


class Null(str):
    """NULL, as a person writes it into a frame; there is one. NaN and None there say nothing.

    It is a text that no data holds (a character of private use before the word), because a column of
    texts takes nothing else, and gives back an equal text, not the same object.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "NULL"

    def __reduce__(self) -> str:
        return "NULL"  # a copy or a pickle is the same one


NULL = Null("\uf8ffNULL")
