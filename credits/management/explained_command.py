"""What every command has: a help that explains, and a sentence where Django has a traceback."""

import argparse
import os
import sys
from typing import Any, ClassVar

from django.core.management.base import (
    BaseCommand,
    CommandError,
    CommandParser,
    DjangoHelpFormatter,
)
from django.db import DatabaseError

from credits.management import arguments
from credits.management.exit_codes import EXIT_INTERRUPTED
from credits.management.output import Output


class _RawHelpFormatter(DjangoHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Django's order of options, and an epilog whose lines stay as they are."""


class ExplainedCommand(BaseCommand):
    """A command whose help ends with examples and exit codes."""

    examples: ClassVar[str]
    exit_codes: ClassVar[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Django 5.2 does not know https://no-color.org.
        if os.environ.get("NO_COLOR"):
            kwargs["no_color"] = True
        super().__init__(*args, **kwargs)
        self.stdout = Output(kwargs.get("stdout") or sys.stdout)

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Let the help end with examples and exit codes."""
        return super().create_parser(
            prog_name,
            subcommand,
            epilog=f"examples:\n{self.examples}\n{self.exit_codes}",
            formatter_class=_RawHelpFormatter,
            **kwargs,
        )

    def run_from_argv(self, argv: list[str]) -> None:
        """Let Ctrl-C end the command with a sentence, where the command has no better one."""
        try:
            super().run_from_argv(argv)
        except KeyboardInterrupt:
            self.stderr.write("Interrupted; what was committed stays.")
            sys.exit(EXIT_INTERRUPTED)

    def execute(self, *args: Any, **options: Any) -> str | None:
        """
        Refuse a value that argparse lost, before anything is done without it.

        Raises:
            CommandError: what the database says, where the command has no better word for it.
        """
        arguments.refuse_lost(options)
        try:
            return super().execute(*args, **options)
        except DatabaseError as error:
            raise CommandError(database_refused(error)) from error
        finally:
            self.stdout.flush()


def database_refused(error: DatabaseError) -> str:
    """Return the sentence for an error that the database gave."""
    return (
        f"The database refused: {(str(error) or type(error).__name__).splitlines()[0]}."
        " Is it up, and has manage.py migrate been run?"
    )
