import os
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

import homezy
from homezy.models import User

ADMIN = "admin@homezy.example"
DATA = Path(homezy.__file__).parent / "demo_data"

EXIT_BAD_ARGUMENTS = 2
EXIT_INTERRUPTED = 130


class Command(BaseCommand):
    help = "Fill an empty database with a year of a marketplace and run the two jobs over it."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._show()
        except KeyboardInterrupt:
            raise CommandError(
                "Interrupted. What was done stays: manage.py demo goes on with the rest.",
                returncode=EXIT_INTERRUPTED,
            ) from None

    def _show(self) -> None:
        last_month = timezone.now().replace(day=1) - timedelta(days=1)
        self._call("migrate", interactive=False, verbosity=0)
        # Before the data: so a database with people and without this one is not ours to fill.
        login = self._login()
        self._call("import_homezy", os.path.relpath(DATA), "--shift-to", f"{last_month:%Y-%m}")
        for job in ("reset_monthly_credits", "expire_credits"):
            self._call(job, "--dry-run")
            self._call(job)
        self._call("verify_credits")
        self.stdout.write("")
        self.stdout.write(
            "Open the admin: make serve, then http://127.0.0.1:8000/admin/ – log in as"
            f" {ADMIN} with {login}."
        )

    def _call(self, command: str, *arguments: str, **options: Any) -> None:
        self.stdout.write(
            self.style.MIGRATE_HEADING(" ".join(["\n$ manage.py", command, *arguments]))
        )
        call_command(command, *arguments, stdout=self.stdout, stderr=self.stderr, **options)

    def _login(self) -> str:
        """Return the password in words, of a superuser who is created if missing."""
        if User.objects.filter(email=ADMIN).exists():
            return (
                f"the password shown the first time (a new one: manage.py changepassword {ADMIN})"
            )
        if User.objects.exists():
            raise CommandError(
                "This database holds other people's accounts: the demo wants one of its own, as in"
                " DATABASE_URL=sqlite:///demo.sqlite3.",
                returncode=EXIT_BAD_ARGUMENTS,
            )
        password = secrets.token_urlsafe(9)
        User.objects.create_superuser(ADMIN, password, first_name="Demo", last_name="Admin")
        return f"the password {password}"
