import os
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from credits.exceptions import CreditsError, InvalidArgument
from credits.management import arguments
from credits.management.explained_command import ExplainedCommand
from credits.models import Notice
from credits.notices.previewing import preview


class Command(ExplainedCommand):
    help = "Write a notice as HTML and text to files, and print their paths; nothing is sent."
    examples = """\
  manage.py preview_credit_notice reset                      to a made-up professional
  manage.py preview_credit_notice expiry_warning --language ar --output build/mails
  manage.py preview_credit_notice expiry_receipt --professional aisha@example.com
"""
    exit_codes = """\
exit codes:
  0  both files are written      2  bad arguments, or nowhere to write to
  1  there is nothing of this kind to tell, or the database refused
"""

    def add_arguments(self, parser: CommandParser) -> None:
        # No choices: argparse would refuse with its usage, and so would a caller in Python.
        parser.add_argument("kind", help=f"One of {', '.join(Notice.Kind.values)}.")
        parser.add_argument("--language", metavar="CODE", help="The language to write in, as ar.")
        parser.add_argument(
            "--professional",
            metavar="EMAIL|ID",
            help="Whose books to tell from; a made-up professional if not given.",
        )
        parser.add_argument(
            "--output", metavar="DIR", default=".", help="Where the files go; made if missing."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        kind, language, given = options["kind"], options["language"], options["professional"]
        try:
            professional_id = None if given is None else arguments.professionals([given])[0]
            message = preview(
                kind, professional_id=professional_id, language=language, at=timezone.now()
            )
        except InvalidArgument as error:
            raise arguments.bad_argument(str(error)) from error
        except CreditsError as error:
            raise CommandError(str(error)) from error
        directory = Path(options["output"])
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for suffix, content in (
                ("html", message.html),
                ("txt", _letter(message.subject, message.text)),
            ):
                path = directory / f"{kind}-{message.recipient.language}.{suffix}"
                path.write_text(content, encoding="utf-8")
                # A name that is not UTF-8 can be a file's, and cannot be printed.
                self.stdout.write(os.fsencode(path).decode(errors="replace"))
        except OSError as error:
            raise arguments.bad_argument(
                f"--output: {directory} cannot be written to: {error.strerror}."
            ) from error


def _letter(subject: str, text: str) -> str:
    return f"Subject: {subject}\n\n{text}"
