"""The whole way: read and stage every document, replay each account, write it, verify."""

from collections.abc import Callable
from contextlib import closing
from io import StringIO
from itertools import islice
from time import monotonic

from django.core.management import CommandError, call_command
from django.db import connection, reset_queries

from homezy.importing.account import Irreconcilable
from homezy.importing.documents import PurchaseDocument, owner_of, parse
from homezy.importing.fields import Refused
from homezy.importing.reading import COLLECTIONS, Found, Source, SourceUnusable, Unreadable
from homezy.importing.replay import History, replay
from homezy.importing.report import Report
from homezy.importing.shifting import Shift
from homezy.importing.staging import Papers, Staging
from homezy.importing.writing import Unit, write

BATCH = 200
"""Accounts written in one database transaction."""

PROGRESS = 10_000
"""Documents between two words about progress."""

_HOLDINGS = {"creditbalances", "credittransactions"}


def run_import(
    source: Source,
    staging: Staging,
    *,
    dry_run: bool = False,
    last_period: str | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Report:
    """
    Bring a source's documents in; what an earlier import brought stays as it is.

    Stopped in the middle, it leaves whole accounts; called again, it goes on with the others.

    Args:
        staging: empty; it holds the lines of the report that is returned.
        last_period: the month, as ``2026-10``, that the last transaction's month becomes; all
            else moves along.

    Raises:
        SourceUnusable: there is nothing to import. Nothing was written.
        django.db.OperationalError: the database is locked, full or gone. Call again.
    """
    return _Import(staging, dry_run=dry_run, progress=progress).run(source, last_period)


class _Import:
    def __init__(self, staging: Staging, *, dry_run: bool, progress: Callable[[str], None]) -> None:
        self._staging = staging
        self._report = Report(staging, dry_run)
        self._progress = progress
        self._damaged: dict[str, str] = {}
        """Of a collection that lacks documents nobody can name: the first place."""
        self._shift: Shift | None = None

    def run(self, source: Source, last_period: str | None) -> Report:
        began = monotonic()
        self._stage(source)
        last = self._staging.last_transaction_at()
        if last_period is not None and last is not None:
            self._shift = Shift.between(last, last_period)
        self._write_all()
        if not self._report.dry_run:
            _take_statistics()
            self._report.broken = _what_is_broken()
        self._report.seconds = monotonic() - began
        return self._report

    def _stage(self, source: Source) -> None:
        for collection in COLLECTIONS:
            self._report.read[collection] = 0
            for item in source.read(collection):
                self._report.read[collection] += 1
                self._stage_item(collection, item)
                if self._report.read[collection] % PROGRESS == 0:
                    self._progress(f"{collection}: {self._report.read[collection]:,} read")
        if not any(self._report.read.values()):
            raise SourceUnusable("There is nothing to import: all four collections are empty.")

    def _stage_item(self, collection: str, item: Found | Unreadable) -> None:
        if isinstance(item, Unreadable):
            self._refuse(item.place, item.why)
            self._damaged.setdefault(collection, item.place)
            return
        try:
            document = parse(collection, item.document)
        except Refused as refused:
            self._refuse(item.place, str(refused))
            owner = owner_of(collection, item.document)
            # A purchase's document only adds the price; the credits are in the transactions.
            if owner is not None and collection != "creditpurchases":
                self._staging.blame(owner, f"{item.place}: {refused}")
            elif owner is None:
                self._damaged.setdefault(collection, item.place)
            return
        if isinstance(document, PurchaseDocument) and not document.is_completed:
            self._report.unpaid += 1
        if why := self._staging.add(document, item.place):
            self._refuse(item.place, why)

    def _write_all(self) -> None:
        done = 0
        with closing(self._staging.accounts()) as accounts:
            units = (unit for papers in accounts if (unit := self._unit(papers)) is not None)
            while batch := list(islice(units, BATCH)):
                self._write_batch(batch)
                # Under DEBUG Django remembers thousands of statements, and these are long ones.
                reset_queries()
                done += len(batch)
                self._progress(f"{done:,} accounts done")

    def _write_batch(self, batch: list[Unit]) -> None:
        outcome = write(batch, dry_run=self._report.dry_run)
        self._report.written.update(outcome.written)
        for owner, why in outcome.refused:
            self._refuse(f"account {owner}", why)
        for unit in batch:
            if unit.user.id in outcome.fresh and unit.history is not None:
                self._tell(unit.user.id, unit.history)

    def _unit(self, papers: Papers) -> Unit | None:
        """Return what is to be written of an account, or refuse it whole: half would be wrong."""
        try:
            history = self._history(papers)
        except Irreconcilable as refused:
            self._refuse(f"account {papers.owner}", str(refused))
            return None
        assert papers.user is not None  # noqa: S101  _history refuses otherwise
        user = papers.user
        if self._shift is not None:
            user = self._shift.user(user)
            history = history and self._shift.history(history)
        last = papers.transactions[-1].id if papers.transactions else ""
        return Unit(user, history, last)

    def _history(self, papers: Papers) -> History | None:
        holdings = (
            f"{len(papers.balances)} balances, {len(papers.transactions)} transactions,"
            f" {len(papers.purchases)} purchases"
        )
        if papers.fault is not None:
            raise Irreconcilable(f"not imported, because of {papers.fault}")
        if papers.user is None:
            raise Irreconcilable(f"there is no such user, but {holdings}")
        if not papers.balances and not papers.transactions:
            if papers.user.role == "pro" and self._damaged.keys() >= _HOLDINGS:
                places = " and ".join(self._damaged[name] for name in sorted(_HOLDINGS))
                raise Irreconcilable(f"shows no credits, and {places} may hold some")
            self._tell_uncredited([p.id for p in papers.purchases.values() if p.is_completed])
            return None
        if len(papers.balances) != 1:
            raise Irreconcilable(f"has {holdings}; one balance is needed")
        history = replay(papers.balances[0], papers.transactions, papers.purchases)
        lost = self._damaged.get("credittransactions")
        if lost is not None and (history.adjusted or not history.is_chained):
            raise Irreconcilable(
                f"its {len(papers.transactions)} transactions do not add up to its balance, and"
                f" {lost} may hold the missing one"
            )
        return history

    def _tell(self, owner: str, history: History) -> None:
        self._report.mended.update(history.mended)
        for adjusted in history.adjusted:
            self._report.adjusted_credits += adjusted.amount
            self._staging.note(
                "adjusted",
                f"account {owner}",
                f"{adjusted.amount:+,} {adjusted.pool} credits: {adjusted.why}",
            )
        self._tell_uncredited(history.uncredited)

    def _tell_uncredited(self, purchases: list[str]) -> None:
        for purchase in purchases:
            self._refuse(
                f"creditpurchases {purchase}", "was paid for, and no transaction brought credits"
            )

    def _refuse(self, subject: str, why: str) -> None:
        self._staging.note("refused", subject, why)


def _take_statistics() -> None:
    """Let PostgreSQL know at once what it finds out by itself within a minute or so."""
    # Until then it plans as for the tables that were here before. Where those were small, one
    # question of verify_credits about 5,000 transactions took it 36 seconds instead of a tenth.
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def _what_is_broken() -> str:
    """Return what ``verify_credits`` found broken, nothing if all is well."""
    output = StringIO()
    try:
        call_command("verify_credits", stdout=output, stderr=output)
    except CommandError as error:
        broken = [line for line in output.getvalue().splitlines() if line.startswith("BROKEN")]
        return " ".join([str(error), *broken])
    return ""
