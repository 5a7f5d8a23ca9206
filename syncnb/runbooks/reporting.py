"""A record as one HTML page that asks no other machine for anything."""

import re
from pathlib import Path

__all__ = ["html_report"]

ELSEWHERE = re.compile(
    r"<script[^>]*\bsrc=[^>]*></script>|<link[^>]*\bhref=[\"']https?:[^>]*>", re.IGNORECASE
)


def html_report(notebook: Path, report: Path) -> None:
    """Write the page: text, code and outputs, with style sheets within. It runs no script and loads nothing."""
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    told = Config()
    told.HTMLExporter.exclude_input_prompt = True
    told.HTMLExporter.exclude_output_prompt = True
    told.HTMLExporter.embed_images = True
    told.HTMLExporter.sanitize_html = False
    exporter = HTMLExporter(config=told)  # type: ignore[no-untyped-call]
    exporter.mathjax_url = exporter.require_js_url = exporter.jquery_url = ""
    exporter.mermaid_js_url = ""
    page, _ = exporter.from_filename(str(notebook))
    with report.open("x", encoding="utf-8") as file:
        file.write(ELSEWHERE.sub("", page))
