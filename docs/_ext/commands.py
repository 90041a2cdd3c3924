"""The directive `commands`: what every `mastac` command prints with `--help`."""

import os
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from mastac.cli.main import COMMANDS, build_parser

os.environ["COLUMNS"] = "88"  # argparse breaks lines there, whatever the terminal


class Commands(SphinxDirective):
    """A section for each command."""

    def run(self) -> list[Any]:
        _, parsers = build_parser()
        sections = []
        for name in COMMANDS:
            section = nodes.section(ids=[nodes.make_id(f"mastac-{name}")])
            text = parsers[name].format_help()
            section += nodes.title("", "", nodes.literal("", f"mastac {name}"))
            section += nodes.literal_block(text, text, language="text")
            sections.append(section)
        return sections


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
