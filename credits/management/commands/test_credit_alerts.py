from typing import Any

from django.core.management.base import CommandError

from credits.management.explained_command import ExplainedCommand
from credits.monitoring.trying import Channel, try_all


class Command(ExplainedCommand):
    help = "Send a test over every channel of alerts, and say what became of each."
    examples = "  manage.py test_credit_alerts\n"
    exit_codes = "exit codes:\n  0  all work      1  some do not, or there are none\n"

    def handle(self, **options: Any) -> None:
        channels = try_all()
        for channel in channels:
            self.stdout.write(self._line(channel))
        broken = [channel for channel in channels if channel.problem]
        if broken:
            raise CommandError(f"Channels that do not work: {len(broken)} of {len(channels)}.")

    def _line(self, channel: Channel) -> str:
        if channel.problem:
            return self.style.ERROR(f"failed  {channel.name}: {channel.problem}")
        return f"ok      {channel.name}: {channel.note}"
