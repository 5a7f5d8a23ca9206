"""What every picture is: text first, the same drawn where that can be, and the text beside it."""

import html
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

from syncnb.panels.pictures.chart import Chart
from syncnb.rendering import stylesheet, visible

__all__ = ["Picture"]

WITHOUT = 'to see it drawn: pip install "matplotlib>=3.10" (the extra syncnb[lab] has it), then show it again'


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the library logs when it looks for fonts and a folder of its own: it would stand in the notebook."""
    log = logging.getLogger("matplotlib")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


class Picture:
    """A picture made of a title, lines of text, notes, and a chart of the same numbers."""

    notes: Sequence[str]

    @property
    def title(self) -> str:
        """What it shows, in one line."""
        raise NotImplementedError

    def _lines(self) -> list[str]:
        """The picture as text."""
        raise NotImplementedError

    def _told(self) -> str:
        """The picture in a sentence, for who hears it."""
        raise NotImplementedError

    def _chart(self) -> Chart | None:
        """What is drawn; None where there is nothing to draw."""
        raise NotImplementedError

    @cached_property
    def _svg(self) -> str | None:
        """The picture as SVG; None where there is nothing to draw, or nothing to draw with."""
        chart = self._chart()
        if chart is None:
            return None
        try:
            with _quiet():
                from syncnb.panels.pictures.drawing import svg

                return svg(chart, visible(f"{self.title}. {self._told()}"))
        except Exception:  # there is no such library, or it is ill, or too old: the text is shown
            return None

    def __repr__(self) -> str:
        return "\n".join([visible(self.title), *self._lines(), *map(visible, self.notes)])

    def _repr_html_(self) -> str:
        lines = html.escape("\n".join(self._lines()))
        parts = [f"<style>{stylesheet()}</style>", '<div class="syncnb">']
        parts.append(f"<p class='title'>{html.escape(visible(self.title))}</p>")
        notes = list(self.notes)
        if self._svg is not None:
            # A page that shows no SVG (GitHub, a notebook that is not trusted) still has the text.
            parts += [self._svg, f"<details><summary>as text</summary><pre>{lines}</pre></details>"]
        elif lines:
            parts.append(f"<pre>{lines}</pre>")
            notes.append(WITHOUT)
        parts += [f"<p class='note'>{html.escape(visible(note))}</p>" for note in notes]
        return "".join([*parts, "</div>"])
