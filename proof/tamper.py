"""
Tampering: every way to edit the ledger is refused, and what is done behind the triggers is seen.

Three experiments. Every statement and every call of the ORM that could edit a guarded table, with
the triggers and, as the control, without. Every migration, with the app's own receiver and, as the
control, without. And changes by somebody who may take the triggers away: those that break the books
``verify_credits`` must see at once, and those that keep them consistent it must see by the seals;
the control of that is ``verify_credits`` without them.
"""

import io
import time
from collections.abc import Callable, Iterator
from functools import partial
from unittest import mock

from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from credits.engine import triggers
from credits.models import CreditAllocation, CreditBalance, CreditTransaction, MonthlyTotal
from homezy.models import User
from proof.findings import Finding
from proof.stage import clear
from tests.books import all_tables
from tests.forgeries import FORGERIES, two_sealed_days
from tests.sealing import A_DAY, count_all
from tests.tampering import guards_down
from tests.ways_in import (
    GUARDED,
    ORM,
    REFUSED,
    STATEMENTS,
    column_statements,
    execute,
    statement_on,
)


def refused() -> Finding:
    """Try every way into every guarded table; then once more without the triggers."""
    begun = time.monotonic()
    clear()
    two_sealed_days()
    before = all_tables()
    ways = dict(_ways_in())
    complaints = [
        f"{name}: {told or 'it was done'}"
        for name, way in ways.items()
        if REFUSED not in (told := _tried(way))
    ]
    pages = [f"admin, {name}: it was done" for name, code in _in_the_admin() if code != 403]
    if all_tables() != before:
        complaints.append("the tables are not as they were")
    triggers.drop(using="default")
    control_bad = sum(not _tried(way) for way in ways.values())
    clear()
    return Finding(
        experiment="tamper: refused",
        engine=connection.vendor,
        trials=len(ways) + 3,
        trial="ways in",
        complaints=tuple(complaints + pages),
        control_trials=len(ways),
        control_bad=control_bad,
        seconds=time.monotonic() - begun,
        remarks="the control has no triggers",
    )


def _ways_in() -> Iterator[tuple[str, Callable[[], object]]]:
    for model in GUARDED:
        table = model._meta.db_table
        for name, (engines, sql) in STATEMENTS.items():
            if connection.vendor in engines:
                yield f"{table}, {name}", partial(execute, statement_on(model, sql))
        for statement in column_statements(model):
            yield statement, partial(execute, statement)
        for name, act in ORM.items():
            yield f"{table}, {name}", partial(act, model)


def _tried(way: Callable[[], object]) -> str:
    """Return what the database said; nothing if it was done, which is then taken back."""
    try:
        with transaction.atomic():
            way()
            transaction.set_rollback(True)
    except DatabaseError as error:
        return str(error)
    return ""


def _in_the_admin() -> Iterator[tuple[str, int]]:
    """Yield the status of each form that would edit the ledger, posted by a superuser."""
    root = User.objects.create_superuser("root@example.com", "password")
    client = Client()
    client.force_login(root)
    row = CreditTransaction.objects.earliest("pk")
    for act, arguments in (("change", [row.pk]), ("delete", [row.pk]), ("add", [])):
        path = reverse(f"admin:credits_credittransaction_{act}", args=arguments)
        yield act, client.post(path, {"amount": 1, "post": "yes"}).status_code
    root.delete()


def migrations(*, since: str = "zero") -> Finding:
    """Go back to a migration, and forward one by one: after each the triggers are there."""
    begun = time.monotonic()
    clear()
    names = sorted(name for app, name in MigrationLoader(None).disk_migrations if app == "credits")
    later = [name for name in names if since == "zero" or name > since]
    try:
        _migrate(since)
        complaints = [f"after {name} {gone} is missing" for name in later for gone in _after(name)]
        _migrate(since)
        with mock.patch.object(triggers, "install"):
            control_bad = bool(_after(names[-1]))
    finally:
        call_command("migrate", verbosity=0)
    return Finding(
        experiment="tamper: migrations",
        engine=connection.vendor,
        trials=len(later),
        trial="migrations",
        complaints=tuple(complaints),
        control_trials=1,
        control_bad=int(control_bad),
        seconds=time.monotonic() - begun,
        remarks="the control puts no trigger back",
    )


def _migrate(name: str) -> None:
    call_command("migrate", "credits", name, verbosity=0)


def _after(name: str) -> list[str]:
    """Migrate; return the triggers that are missing on the tables that are there by then."""
    _migrate(name)
    tables = connection.introspection.table_names()
    wanted = {each.name for each in triggers.expected(using="default") if each.table in tables}
    return [gone for gone in triggers.missing(using="default") if gone in wanted]


def one_credit_more(aisha: User, badr: User) -> None:
    CreditBalance.objects.filter(professional=badr).update(free_credits=F("free_credits") + 1)


def no_balance(aisha: User, badr: User) -> None:
    CreditBalance.objects.filter(professional=badr).delete()


def another_row(aisha: User, badr: User) -> None:
    CreditTransaction.objects.filter(professional=badr).update(amount=F("amount") + 1)


def one_row_less(aisha: User, badr: User) -> None:
    CreditTransaction.objects.filter(professional=badr).latest("pk").delete()


def a_fuller_lot(aisha: User, badr: User) -> None:
    CreditTransaction.objects.filter(remaining_amount__gt=0).update(
        remaining_amount=F("remaining_amount") + 1
    )


def one_draw_less(aisha: User, badr: User) -> None:
    CreditAllocation.objects.latest("pk").delete()


def another_total(aisha: User, badr: User) -> None:
    MonthlyTotal.objects.update(amount=F("amount") + 1)


BREAKING = (
    one_credit_more,
    no_balance,
    another_row,
    one_row_less,
    a_fuller_lot,
    one_draw_less,
    another_total,
)


def behind() -> Finding:
    """Change the books behind the triggers, one change after the other, and ask who sees it."""
    begun = time.monotonic()
    clear()
    people = two_sealed_days(first=timezone.now() - A_DAY)
    complaints = [] if _holds("--seals") else ["verify_credits complains of honest books"]
    unseen = 0
    for change in (*BREAKING, *FORGERIES):
        if connection.vendor == "mysql":
            # To take the guards down commits there: the change before cannot be taken back.
            clear()
            people = two_sealed_days(first=timezone.now() - A_DAY)
        with transaction.atomic():
            with guards_down():
                change(*people)
            if change in BREAKING:
                if _holds():
                    complaints.append(f"{change.__name__} was not seen at once")
            else:
                count_all(anew=True)
                unseen += _holds()
                if _holds("--seals"):
                    complaints.append(f"{change.__name__} was not seen by the seals")
            transaction.set_rollback(True)
    clear()
    return Finding(
        experiment="tamper: behind triggers",
        engine=connection.vendor,
        trials=len(BREAKING) + len(FORGERIES),
        trial="changes",
        complaints=tuple(complaints),
        control_trials=len(FORGERIES),
        control_bad=unseen,
        seconds=time.monotonic() - begun,
        remarks="the control reads no seals",
    )


def _holds(*options: str) -> bool:
    try:
        call_command("verify_credits", *options, stdout=io.StringIO(), stderr=io.StringIO())
    except CommandError:
        return False
    return True
