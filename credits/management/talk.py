"""What the commands about the jobs say: sentences for a person, or one JSON document."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from credits.exceptions import CreditsError
from credits.management.exit_codes import EXIT_FAILED
from credits.management.explained_command import database_refused


class Talk:
    """
    The talk of one command call.

    With JSON the document goes to standard output and every sentence to standard error; with
    verbosity 0 there are no sentences.
    """

    def __init__(self, command: BaseCommand, job: str, options: dict[str, Any]) -> None:
        self._command = command
        self._job = job
        self._as_json = options["json"]
        self.verbosity = options["verbosity"]
        self._is_documented = False

    def say(self, sentence: str) -> None:
        """Tell a person something."""
        if self.verbosity < 1:
            return
        if self._as_json:
            self._command.stderr.write(sentence, style_func=str)
        else:
            self._command.stdout.write(sentence)

    def document(self, **content: Any) -> None:
        """Give a machine the one document of this call."""
        if self._as_json and not self._is_documented:
            self._is_documented = True
            head = {"version": 1, "job": self._job}
            self._command.stdout.write(json.dumps(head | content))

    @contextmanager
    def refusals(self) -> Iterator[None]:
        """Turn what is refused inside into one sentence, a document and an exit code."""
        try:
            yield
        except CommandError as error:
            self.document(error=str(error), exit_code=error.returncode)
            raise
        except (CreditsError, DatabaseError) as error:
            message = database_refused(error) if isinstance(error, DatabaseError) else str(error)
            self.document(error=message, exit_code=EXIT_FAILED)
            raise CommandError(message, returncode=EXIT_FAILED) from error


def add_json(parser: CommandParser) -> None:
    """Add the option that asks for a document."""
    parser.add_argument(
        "--json", action="store_true", help="Print one JSON document instead of sentences."
    )
