"""A chart as SVG that stands in a page: no script, no address, the page's own colours, the same on every run.

The one module that needs matplotlib. That draws with colours and words that stand for others; what they
stand for is put in afterwards, so that no value of a table ever passes through its typesetting.
"""

import html
import io
import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import matplotlib as mpl
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from syncnb.panels.pictures.chart import Chart, Look
from syncnb.rendering import width

__all__ = ["svg"]

INK, PALE, LINE, GROUND, BAND = "#010101", "#020202", "#030303", "#040404", "#050505"
VARIABLES = {
    INK: "var(--jp-ui-font-color1, CanvasText)",
    PALE: "var(--jp-ui-font-color2, color-mix(in srgb, CanvasText 72%, Canvas))",
    LINE: "var(--jp-border-color1, color-mix(in srgb, CanvasText 30%, Canvas))",
    GROUND: "var(--jp-layout-color0, Canvas)",
    BAND: "var(--jp-layout-color2, color-mix(in srgb, CanvasText 10%, Canvas))",
}
"""Colours that stand for those of JupyterLab, and of the system elsewhere."""
FONT = "font-family: var(--jp-ui-font-family, system-ui, sans-serif)"
LOOKS: dict[Look, tuple[str, str]] = {
    "changed": ("#e69f00", ""),
    "local": ("#0072b2", "///"),
    "remote": ("#d55e00", "\\\\\\"),
    "conflict": ("#cc79a7", "xxx"),
    "near": (LINE, "---"),
}
"""Face and hatching. The faces are those of Okabe and Ito, which people who see few colours can tell apart."""
WIDTH, BARS = 720, 136
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 36, 40
"""Points around the bars."""
HEADS = 18
"""Points above them, where words stand there."""
LETTER = 6.6
"""Points that a letter takes, at most."""
LEAST = 0.012
"""Of the height: no part of a bar is lower than this, or it could not be seen."""
GAP = 0.06
"""Of a bar, on either side of it."""
RULES = {
    "svg.fonttype": "none",
    "svg.hashsalt": "syncnb",
    "svg.id": None,
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
    "hatch.color": INK,
    "hatch.linewidth": 0.6,
    "path.simplify": False,
}


def svg(chart: Chart, told: str) -> str:
    """The chart as one SVG element, named by a sentence."""
    words: list[str] = []
    high = TOP + HEADS * bool(chart.heads) + BARS + BOTTOM
    with mpl.style.context(["default", RULES]):
        figure = Figure(figsize=(WIDTH / 72, high / 72), dpi=72)
        canvas: Any = FigureCanvasSVG(figure)
        figure.patch.set_visible(False)
        _draw(figure, chart, words)
        file = io.StringIO()
        canvas.print_svg(file, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return _of_the_page(file.getvalue(), words, told, high)


def _draw(figure: Figure, chart: Chart, words: list[str]) -> None:
    count, most = len(chart.heights), max(chart.heights)
    high = figure.get_figheight() * 72
    axes = figure.add_axes((LEFT / WIDTH, BOTTOM / high, 1 - (LEFT + RIGHT) / WIDTH, BARS / high))
    axes.set_axis_off()
    axes.set_xlim(0, count)
    axes.set_ylim(0, most)
    if chart.band is not None:
        _band(axes, chart.band, most)
    # Nothing is cut off: a path that cuts has a name, and names are to be few.
    axes.plot([0, count], [most, most], color=LINE, linewidth=0.6, zorder=0, clip_on=False)
    axes.plot([0, count], [0, 0], color=PALE, linewidth=1, zorder=3, clip_on=False)
    _bars(axes, chart, most)
    pen = _Pen(axes, words, {"data": axes.transData, "page": figure.transFigure})
    for at, text in ((0, "0"), (most, f"{most:,}")):
        pen.write("data", -count * 0.008, at, text, side="right", up="center")
    _ticks(axes, chart, pen, most)
    for head in chart.heads:
        pen.write("data", head.at, most * 1.04, head.text, side=head.side, up="bottom", color=PALE)
    pen.write("page", 0.5, 4 / high, chart.axis, up="bottom", color=PALE)
    _legend(figure, chart, pen, high)


def _band(axes: Axes, band: tuple[float, float], most: int) -> None:
    start, end = band
    axes.add_patch(
        Rectangle((start, 0), end - start, most, facecolor=BAND, edgecolor="none", zorder=-1, clip_on=False)
    )
    for edge in band:
        axes.plot([edge, edge], [0, most], color=PALE, linewidth=0.8, dashes=(4, 3), zorder=3, clip_on=False)


def _bars(axes: Axes, chart: Chart, most: int) -> None:
    """The layers of each bar one on the other, each high enough to be seen; a layer is one path."""
    parts: list[list[float]] = [
        [max(count, most * LEAST) if count else 0.0 for count in layer.counts] for layer in chart.layers
    ]
    # What the low parts gained must not lift a bar over the greatest.
    scale = min(1.0, most / max(map(sum, zip(*parts, strict=True))))
    below = [0.0] * len(chart.heights)
    for layer, part in zip(chart.layers, parts, strict=True):
        shapes = []
        for at, high in enumerate(part):
            if high:
                shapes.append(_box(at + GAP, below[at], at + 1 - GAP, below[at] + high * scale))
                below[at] += high * scale
        if shapes:
            axes.add_patch(
                PathPatch(Path.make_compound_path(*shapes), zorder=2, clip_on=False, **_look(layer.look))
            )


def _box(left: float, low: float, right: float, high: float) -> Path:
    return Path([(left, low), (right, low), (right, high), (left, high), (left, low)], closed=True)


def _look(look: Look) -> dict[str, Any]:
    color, hatch = LOOKS[look]
    return {"facecolor": color, "edgecolor": INK, "linewidth": 0.5, "hatch": hatch}


def _ticks(axes: Axes, chart: Chart, pen: "_Pen", most: int) -> None:
    """The first ones matter most: words that would stand in others' way are left out."""
    taken: list[tuple[float, float]] = []
    bar = (WIDTH - LEFT - RIGHT) / len(chart.heights)
    for tick in chart.ticks:
        axes.plot([tick.at] * 2, [0, -most * 0.03], color=PALE, linewidth=0.8, clip_on=False)
        wide = width(tick.text) * LETTER
        start = tick.at * bar - {"left": 0.0, "center": wide / 2, "right": wide}[tick.side]
        if all(start + wide < left or right < start for left, right in taken):
            taken.append((start, start + wide))
            pen.write("data", tick.at, -most * 0.06, tick.text, side=tick.side, up="top")


def _legend(figure: Figure, chart: Chart, pen: "_Pen", high: float) -> None:
    x, y = float(LEFT), high - 16
    for layer in chart.layers:
        box = Rectangle((x / WIDTH, y / high), 14 / WIDTH, 11 / high, **_look(layer.look))
        box.set_transform(figure.transFigure)
        figure.add_artist(box)
        text = f"{layer.name} {sum(layer.counts):,}"
        pen.write("page", (x + 19) / WIDTH, (y + 1) / high, text, side="left", up="baseline")
        x += 36 + LETTER * len(text)


class _Pen:
    """Writes words that stand for others: the n-th word drawn is `Tn`."""

    def __init__(self, axes: Axes, words: list[str], systems: dict[str, Any]) -> None:
        self.axes, self.words, self.systems = axes, words, systems

    def write(
        self, system: str, x: float, y: float, text: str, *, side: str = "center", up: str, color: str = INK
    ) -> None:
        self.axes.text(
            x, y, f"T{len(self.words)}", ha=side, va=up, color=color, parse_math=False,
            transform=self.systems[system], clip_on=False,
        )  # fmt: skip
        self.words.append(text)


def _of_the_page(drawn: str, words: Sequence[str], told: str, high: int) -> str:
    """The drawing as an element of a page: its names its own, its colours and its words those of the page."""
    inner = drawn[drawn.index(">", drawn.index("<svg")) + 1 : drawn.rindex("</svg>")]
    # A style sheet in here would be one for the whole page.
    inner = re.sub(r"<style.*?</style>", "", inner, flags=re.DOTALL)
    inner = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", inner, flags=re.DOTALL)
    inner = re.sub(r'fill="(#\w+)"', r'style="fill: \1"', inner)
    inner = re.sub(r"font-family: [^;\"]*", FONT, inner)
    for color, variable in VARIABLES.items():
        inner = inner.replace(color, variable)
    # Two pictures stand in one page: a name that nothing refers to goes, the others carry that of the picture.
    own = "p" + sha256((inner + "\n".join(words)).encode("utf-8", "backslashreplace")).hexdigest()[:8]
    used = set(re.findall(r"url\(#([^)]+)\)", inner)) | set(re.findall(r'href="#([^"]+)"', inner))
    inner = re.sub(
        r' id="([^"]+)"', lambda found: f' id="{own}-{found[1]}"' if found[1] in used else "", inner
    )
    inner = re.sub(r"url\(#([^)]+)\)", rf"url(#{own}-\1)", inner)
    inner = re.sub(r'href="#([^"]+)"', rf'href="#{own}-\1"', inner)
    inner = re.sub(r"\s+", " ", inner).replace("> <", "><").strip()
    inner = re.sub(r">T(\d+)</text>", lambda found: f">{html.escape(words[int(found[1])])}</text>", inner)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {WIDTH} {high}" role="img" aria-label="{html.escape(told)}" '
        f'style="display: block; width: 100%; max-width: {WIDTH}px; stroke-linejoin: round; '
        f'stroke-linecap: butt; color-scheme: light dark">{inner}</svg>'
    )
