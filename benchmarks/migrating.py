"""
How long do spends wait while a large ledger is migrated?

    python -m benchmarks.migrating --database-url postgresql://… [--only "a wider text"]

On a PostgreSQL that ``benchmarks.fill`` filled: each migration is applied while two people spend
without a pause, and taken back again. What ``tests/migration_lint.py`` lets pass must keep nobody
waiting for more than two seconds; what it refuses is there to show that the measure can fail. It
ends with 1 where the lint and the clock disagree.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST = 2.0
"""Seconds that a spend may wait."""

SPENDERS = 2
AROUND = 1.0
"""Seconds of spends before a migration and after it."""


@dataclass(frozen=True)
class Figure:
    """One migration and what it did to those who spend."""

    name: str
    refused_because: str
    """What the lint says against it; nothing if it may pass."""

    seconds: float
    spends: int
    longest: float
    """Seconds of the slowest spend."""

    @property
    def is_as_foretold(self) -> bool:
        """Whether the lint and the clock agree."""
        return bool(self.refused_because) == (self.longest > MOST)

    @property
    def line(self) -> str:
        """The figure as a row of a table."""
        verdict = "refused" if self.refused_because else "allowed"
        return (
            f"| {self.name} | {verdict} | {self.seconds:.1f} | {self.spends:,}"
            f" | {1000 * self.longest:,.0f} |"
        )


def migrations() -> dict[str, list[Any]]:
    """Return migrations by name, each a list of those that follow one another."""
    from django.contrib.postgres.operations import (
        AddConstraintNotValid,
        AddIndexConcurrently,
        ValidateConstraint,
    )
    from django.db.migrations import AddConstraint, AddField, AddIndex, AlterField, Migration
    from django.db.models import BigIntegerField, CharField, CheckConstraint, Index, IntegerField, Q

    ledger = "credittransaction"
    index = Index(fields=["currency"], name="tried_index")
    check = CheckConstraint(condition=Q(amount__lt=10**9), name="tried_constraint")

    def one(operation: Any) -> Migration:
        made = Migration("tried", "credits")
        made.operations = [operation]
        made.atomic = not isinstance(operation, AddIndexConcurrently)
        return made

    return {
        "a column that may be null": [one(AddField(ledger, "tried", IntegerField(null=True)))],
        "a column with a `db_default`": [
            one(AddField(ledger, "tried", IntegerField(db_default=0)))
        ],
        "a wider text": [one(AlterField("notice", "reason", CharField(max_length=500)))],
        "an index, concurrently": [one(AddIndexConcurrently(ledger, index))],
        "a constraint, not valid, then validated": [
            one(AddConstraintNotValid(ledger, check)),
            one(ValidateConstraint(ledger, "tried_constraint")),
        ],
        "an index": [one(AddIndex(ledger, index))],
        "a constraint": [one(AddConstraint(ledger, check))],
        "a number of another type": [one(AlterField(ledger, "amount", BigIntegerField()))],
    }


def measure(name: str, steps: Sequence[Any], keys: Sequence[int]) -> Figure:
    """Migrate while people spend, then take it back."""
    from django.db import connection
    from django.db.migrations.loader import MigrationLoader

    from credits.engine import triggers
    from tests.migration_lint import problems

    states = [MigrationLoader(connection).project_state()]
    said: list[str] = []
    # PostgreSQL changes the type of no column that a trigger names.
    triggers.drop(using="default")
    with tempfile.TemporaryDirectory() as directory:
        with _spenders(keys, Path(directory)):
            time.sleep(AROUND)
            begun = time.perf_counter()
            for step in steps:
                said += problems(step, states[-1])
                with connection.schema_editor(atomic=step.atomic) as editor:
                    states.append(step.apply(states[-1].clone(), editor))
            seconds = time.perf_counter() - begun
            time.sleep(AROUND)
        taken = [float(line) for each in Path(directory).iterdir() for line in each.open()]
    for step, before in zip(reversed(steps), reversed(states[:-1]), strict=True):
        with connection.schema_editor(atomic=step.atomic) as editor:
            step.unapply(before.clone(), editor)
    triggers.install(using="default")
    return Figure(name, "; ".join(said), seconds, len(taken), max(taken))


def _spenders(keys: Sequence[int], directory: Path) -> ExitStack:
    """Let people spend until the block ends; a spend that is under way is waited for."""
    from tests.processes import Child

    with ExitStack() as stack:
        stop = directory / "stop"
        for number in range(SPENDERS):
            child = stack.enter_context(Child(_Spender(keys, directory / str(number), stop)))
            # The last to enter is the first to leave: told to stop, it is waited for.
            stack.callback(_end, child, stop)
            child.hear()
        return stack.pop_all()


def _end(child: Any, stop: Path) -> None:
    stop.touch()
    if child.wait():
        raise SystemExit("A spend failed, see above.")


class _Spender:
    """Spends a credit of somebody's, again and again, and writes down how long it took."""

    def __init__(self, keys: Sequence[int], notebook: Path, stop: Path) -> None:
        self._keys = keys
        self._notebook = notebook
        self._stop = stop

    def __call__(self, tell: Any) -> None:
        from django.db import connection
        from django.utils import timezone

        from credits.exceptions import InsufficientCredits
        from credits.ledger import spend

        # Who waits is not given up on: a child of the tests would be ended after two minutes.
        signal.alarm(0)
        chance = random.Random(os.getpid())
        connection.ensure_connection()
        with self._notebook.open("w") as notebook:
            tell("begun")
            for number in _until(self._stop):
                begun = time.perf_counter()
                # Refused or not, it waited as long as any.
                with suppress(InsufficientCredits):
                    spend(
                        professional_id=chance.choice(self._keys),
                        amount=1,
                        at=timezone.now(),
                        idempotency_key=f"migrating-{begun}-{os.getpid()}-{number}",
                    )
                notebook.write(f"{time.perf_counter() - begun}\n")


def _until(stop: Path) -> Iterator[int]:
    number = 0
    while not stop.exists():
        yield number
        number += 1


def main() -> None:
    """Read the arguments, measure, and print a row for each migration."""
    parser = argparse.ArgumentParser(description="Time spends while a large ledger is migrated.")
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--only", action="append", metavar="NAME", help="only this migration")
    arguments = parser.parse_args()
    if not arguments.database_url.startswith("postgres"):
        parser.error("SQLite has one writer: spends wait for the whole of any migration.")
    os.environ["DATABASE_URL"] = arguments.database_url
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.testing")
    import django

    django.setup()
    from credits.models import CreditBalance, CreditTransaction

    names = arguments.only or list(migrations())
    if unknown := set(names) - migrations().keys():
        parser.error(f"There is no {unknown.pop()!r}; there are: {', '.join(migrations())}.")
    if not (keys := list(CreditBalance.objects.values_list("pk", flat=True)[:1_000_000])):
        sys.exit("Nobody holds credits here: fill it first, with python -m benchmarks.fill.")
    rows = CreditTransaction.objects.count()
    _say(f"{rows:,} transactions", "", "| migration | lint | s | spends | longest, ms |")
    _say("| --- | --- | --: | --: | --: |")
    figures = []
    for name in names:
        figures.append(measure(name, migrations()[name], keys))
        _say(figures[-1].line)
    wrong = [figure.name for figure in figures if not figure.is_as_foretold]
    if wrong:
        sys.exit(f"The lint and the clock disagree about: {', '.join(wrong)}.")


def _say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
