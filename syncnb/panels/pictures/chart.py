"""What is drawn, as plain values: stacked bars, a band behind them, words at their edges."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from syncnb.rendering import visible

__all__ = ["Chart", "Layer", "Look", "Tick", "short"]

Look: TypeAlias = Literal["changed", "local", "remote", "conflict", "near"]
"""A colour and a hatching: what a layer is never depends on the colour alone."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One part of every bar."""

    name: str
    look: Look
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """Words beneath the bars."""

    at: float
    """Counted in bars from the left edge of the first one."""
    text: str
    side: Literal["left", "center", "right"] = "center"
    """Which part of the words stands there."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A row of stacked bars."""

    layers: tuple[Layer, ...]
    ticks: tuple[Tick, ...]
    axis: str
    """What the bars stand in order of."""
    band: tuple[float, float] | None = None
    """From where to where, counted in bars, the ground is shaded."""
    heads: tuple[Tick, ...] = ()
    """Words above the bars."""

    @property
    def heights(self) -> tuple[int, ...]:
        """How many rows each bar stands for."""
        return tuple(map(sum, zip(*(layer.counts for layer in self.layers), strict=True)))


def short(text: str, most: int = 24) -> str:
    """A name or a key where there is little room: nothing in it hides, and the middle of it may be left out."""
    shown = visible(text[: 2 * most] if len(text) <= 2 * most else f"{text[:most]}…{text[-most:]}")
    return shown if len(shown) <= most else f"{shown[: most // 2]}…{shown[-(most // 2 - 1) :]}"
