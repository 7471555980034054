"""
Directives that write the reference from the code, so that it is never older than the code.

``credits-settings``, ``credits-commands``, ``credits-exit-codes`` and ``credits-checks`` yield
reStructuredText: put them in an ``{eval-rst}`` block.
"""

import argparse
import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import ClassVar

from django.core.management import find_commands, load_command_class
from django.core.management.base import BaseCommand, DjangoHelpFormatter
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective
from sphinx.util.parsing import nested_parse_to_nodes

import credits
from credits import conf
from credits.management.explained_command import ExplainedCommand

PACKAGE = Path(credits.__file__).parent
WIDTH = 96


def settings() -> Iterator[str]:
    """Write each key of ``CREDITS`` with its default, its least value and its docstring."""
    docstrings = ModuleAnalyzer.for_module(conf.__name__).find_attr_docs()
    for field in fields(conf.CreditsSettings):
        sentence = " ".join(docstrings["CreditsSettings", field.name]).strip()
        shown = list(field.default) if isinstance(field.default, tuple) else field.default
        yield f".. confval:: {field.name.upper()}"
        yield f"   :default: {'none' if shown == '' else f'``{shown!r}``'}"
        yield ""
        yield f"   {sentence}"
        if field.name in conf._LEAST:
            yield f"   At least {conf._LEAST[field.name]:,}."
        if field.name in conf._MOST:
            yield f"   At most {conf._MOST[field.name]:,}."
        yield ""


def commands() -> Iterator[str]:
    """Write each command with the help that it prints, less the options that Django adds."""
    for name, command in _commands().items():
        parser = command.create_parser("manage.py", name)
        for action in parser._actions:
            if set(action.option_strings) & (DjangoHelpFormatter.show_last | {"--help"}):
                action.help = argparse.SUPPRESS
        parser.formatter_class = partial(parser.formatter_class, width=WIDTH)
        yield f".. manage-command:: {name}"
        yield ""
        yield "   .. code-block:: text"
        yield ""
        yield from (f"      {line}".rstrip() for line in parser.format_help().splitlines())
        yield ""


def exit_codes() -> Iterator[str]:
    """Write a table of what each exit code means, and for which commands."""
    meanings: dict[tuple[int, str], list[str]] = {}
    for name, command in _commands().items():
        for code, meaning in _exit_codes_of(command):
            meanings.setdefault((code, meaning), []).append(name)
    yield from _table("code", "meaning", "commands", widths="8 46 46")
    for (code, meaning), names in sorted(meanings.items()):
        yield from _row(
            str(code), meaning, ", ".join(f":manage-command:`{name}`" for name in names)
        )
    yield ""


def checks() -> Iterator[str]:
    """Write a table of every system check: its id, what it says, what it tells to do."""
    yield from _table("id", "says", "do", widths="16 42 42")
    for check in sorted(system_checks(), key=lambda check: check.id):
        yield from _row(f"``{check.id}``", check.message, check.hint)
    yield ""


@dataclass(frozen=True)
class SystemCheck:
    """What a check can say, as its source has it; … stands for what is filled in."""

    id: str
    message: str
    hint: str


def system_checks() -> Iterator[SystemCheck]:
    """Find every check message in the source of the package by its ``id="credits.…"``."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
                given = {word.arg: word.value for word in call.keywords}
                if _text(given.get("id")).startswith("credits."):
                    said = _text(call.args[0] if call.args else given.get("msg"))
                    yield SystemCheck(
                        _text(given["id"]),
                        # Where all of it is filled in, what the function looks at says more.
                        _escaped(said if said != "…" else ast.get_docstring(function) or said),
                        _escaped(_text(given.get("hint"))),
                    )


def _text(node: ast.expr | None) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(map(_text, parts))
        case ast.BinOp(left=left, right=right):
            return _text(left) + _text(right)
        case None:
            return ""
    return "…"


def _escaped(text: str) -> str:
    return re.sub(r"([\\*`|_])", r"\\\1", text)


def _commands() -> dict[str, BaseCommand]:
    names = sorted(find_commands(str(PACKAGE / "management")))
    return {name: load_command_class(credits.__name__, name) for name in names}


def _exit_codes_of(command: BaseCommand) -> Iterator[tuple[int, str]]:
    # Two to a line, in columns, as people read them in a terminal.
    if isinstance(command, ExplainedCommand):
        for line in command.exit_codes.splitlines()[1:]:
            for code, meaning in re.findall(r"(\d+) {2,}(.+?)(?= {3,}\d+ {2,}|$)", line):
                yield int(code), meaning


def _table(*heads: str, widths: str) -> Iterator[str]:
    yield ".. list-table::"
    yield "   :header-rows: 1"
    yield f"   :widths: {widths}"
    yield ""
    yield from _row(*heads)


def _row(*cells: str) -> Iterator[str]:
    for number, cell in enumerate(cells):
        yield f"   {' ' if number else '*'} - {cell}"


class Written(SphinxDirective):
    """A directive whose content one of the functions above writes."""

    writers: ClassVar = {
        "credits-settings": settings,
        "credits-commands": commands,
        "credits-exit-codes": exit_codes,
        "credits-checks": checks,
    }

    def run(self) -> list[nodes.Node]:
        """Parse what was written, as if it stood in the page."""
        for path in PACKAGE.rglob("*.py"):
            self.env.note_dependency(str(path))
        lines = StringList(list(self.writers[self.name]()), source=f"<{self.name}>")
        return nested_parse_to_nodes(self.state, lines)


def setup(app: Sphinx) -> dict[str, bool]:
    """Let Sphinx know the directives, and how to link to a command."""
    app.add_object_type("manage-command", "manage-command", objname="command")
    for name in Written.writers:
        app.add_directive(name, Written)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
