"""A project whose users have UUIDs for keys, on a database of its own: a year of its credits."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent.parent

SETTINGS = """
SECRET_KEY = "testing-only"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "shop", "credits"]
AUTH_USER_MODEL = "shop.User"
CREDITS = {
    "ELIGIBLE_PROFESSIONALS": "shop.models.everybody",
    "CHUNK_SIZE": 3,
    "SEAL_KEY": "a secret of more than thirty-two characters",
}
"""

MODELS = """
import uuid
from django.contrib.auth.models import AbstractUser
from django.db import models

class User(AbstractUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)

def everybody():
    return User.objects.all()
"""

YEAR = """
import django
django.setup()
from datetime import UTC, datetime
from decimal import Decimal
from django.core.management import call_command
for command in (["makemigrations", "shop"], ["migrate"]):
    call_command(*command, verbosity=0)

from credits import ledger
from credits.jobs.expiry import expire_credits
from credits.jobs.notices import stage_expiry_warnings
from credits.jobs.reset import reset_monthly_credits
from credits.jobs.sharing import open_shared_run, work_on_shard
from shop.models import User

MARCH, APRIL, SEPTEMBER = (datetime(2026, month, 1, 0, 1, tzinfo=UTC) for month in (3, 4, 9))
for number in range(10):
    user = User.objects.create_user(f"user-{number}")
    for part in (1, 2):
        ledger.purchase(
            professional_id=user.pk, amount=10, price=Decimal(50), currency="AED",
            payment_reference=f"{number}-{part}", at=MARCH,
        )
print("reset", reset_monthly_credits(as_of=MARCH).success_count)
print("again", reset_monthly_credits(as_of=MARCH).success_count)
shared = open_shared_run("reset_monthly_credits", as_of=APRIL, shards=3, trigger="test")
print("shared", *[work_on_shard(shard.pk) for shard in shared.shards.order_by("number")])
print("warned", stage_expiry_warnings(as_of=datetime(2026, 8, 28, tzinfo=UTC)))
print("expired", expire_credits(as_of=SEPTEMBER).success_count)
call_command("seal_credits", verbosity=0)
call_command("verify_credits", "--seals", verbosity=0)
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[dict[str, Any]]:
    given = connection.settings_dict
    own = {key: given[key] for key in ("ENGINE", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")}
    if connection.vendor == "sqlite":
        yield own | {"NAME": str(tmp_path / "db.sqlite3")}
        return
    # Asked of the server itself: whoever makes a database cannot be in it.
    with connection._nodb_cursor() as cursor:  # noqa: SLF001
        cursor.execute("CREATE DATABASE credits_uuid_keys")
        yield own | {"NAME": "credits_uuid_keys"}
        cursor.execute("DROP DATABASE credits_uuid_keys")


class TestAProjectWithUuids:
    @pytest.mark.django_db
    def test_lives_through_a_year(self, database: dict[str, Any], tmp_path: Path):
        shop = tmp_path / "shop"
        (shop / "migrations").mkdir(parents=True)
        for package in (shop, shop / "migrations"):
            (package / "__init__.py").touch()
        (shop / "models.py").write_text(MODELS, "utf-8")
        (tmp_path / "shop_settings.py").write_text(
            f"{SETTINGS}\nDATABASES = {{'default': {database!r}}}\n", "utf-8"
        )

        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", YEAR],
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": f"{tmp_path}:{ROOT}",
                "DJANGO_SETTINGS_MODULE": "shop_settings",
            },
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )

        assert (done.returncode, done.stdout.splitlines()) == (
            0,
            [
                "reset 10",
                "again 0",
                "shared done done closed",
                "warned 10",
                "expired 20",
            ],
        ), done.stderr
