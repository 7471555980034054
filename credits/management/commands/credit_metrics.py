from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from credits.management.explained_command import ExplainedCommand
from credits.monitoring.views import has_prometheus


class Command(ExplainedCommand):
    help = "Print the metrics that Prometheus reads, or write them for node_exporter."
    examples = """\
  manage.py credit_metrics
  manage.py credit_metrics --textfile /var/lib/prometheus/node-exporter/credits.prom
"""
    exit_codes = "exit codes:\n  0  done      1  failed; an earlier file stays as it was\n"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--textfile", metavar="PATH", help="Write to this file, which must end with .prom."
        )

    def handle(self, *, textfile: str | None, **options: Any) -> None:
        if textfile is not None and not textfile.endswith(".prom"):
            raise CommandError(
                f"--textfile: {textfile} does not end with .prom, so node_exporter would not"
                " read it.",
                returncode=2,
            )
        if not has_prometheus():
            raise CommandError(
                'prometheus-client is missing: pip install "django-credits-ledger[metrics]".'
            )
        from credits.monitoring.metrics import exposition, write_textfile  # noqa: PLC0415

        text = exposition(as_of=timezone.now())
        if textfile is None:
            self.stdout.write(text.decode(), ending="")
            return
        try:
            write_textfile(Path(textfile), text)
        except OSError as error:
            raise CommandError(f"{textfile} was not written: {error.strerror}.") from error
