"""`syncnb new`: a runbook of the seven headings from a template, or a copy of a tour."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from syncnb.cli.arguments import Parser
from syncnb.errors import SyncnbError
from syncnb.rendering.notebooks import write_new

__all__ = ["run"]

SUFFIX = ".ipynb"


def run(argv: Sequence[str]) -> int:
    """Write the notebook under a name that is free. Returns 0."""
    options = _options(argv)
    path = Path(options.notebook).expanduser()
    if path.suffix != SUFFIX:
        raise SyncnbError(f"{path.name} is no name of a notebook", hint=f"write {path.name}{SUFFIX}")
    if not path.absolute().parent.is_dir():
        raise SyncnbError(f"there is no folder for {path.name}", hint="make it first")
    if options.example:
        _copy(options.example, path)
        print(f"{path.name}: a copy of the tour, with what it shows")
    else:
        from syncnb.runbooks import write_template

        write_template(options.template, path)
        print(f"{path.name}: edit its settings, then open it in JupyterLab or run it: syncnb run {path.name}")
    return 0


def _options(argv: Sequence[str]) -> Namespace:
    from syncnb.runbooks import TEMPLATES

    lines = [f"  {name:10} {template.what}" for name, template in TEMPLATES.items()]
    parser = Parser(
        "new", "Write a runbook: a notebook to look, decide, write, prove and take back.",
        epilog="\n".join(["templates:", *lines, "", "While WRITE is False in it, a runbook writes nothing."]),
    )  # fmt: skip
    parser.add_argument("notebook", metavar="RUNBOOK.ipynb")
    parser.add_argument("--template", choices=list(TEMPLATES), default="diff", help="what it is for (diff)")
    parser.add_argument(
        "--example", metavar="NN", help="a copy of a tour instead, by its number or name, such as 01"
    )
    return parser.parse_args(argv)


def _copy(number: str, path: Path) -> None:
    from syncnb.cli.notebooks import shipped

    wanted = number.removesuffix(SUFFIX)
    found = {
        name: content
        for name, content in shipped().items()
        if wanted.zfill(2) == name.partition("_")[0] or wanted == name.removesuffix(SUFFIX)
    }
    if not found:
        raise SyncnbError(f"there is no tour {number!r}", hint=f"there are {', '.join(shipped())}")
    ((_, content),) = found.items()
    write_new(path, content)
