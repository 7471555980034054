"""Writing accounts to the database: users, ledgers, balances; many accounts to a transaction."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC

from django.db import DatabaseError, OperationalError, transaction

from credits.ledger import enter_ledger, share_of
from credits.models import CreditAllocation, CreditBalance, CreditTransaction
from homezy.importing.account import Row
from homezy.importing.documents import UserDocument
from homezy.importing.replay import History
from homezy.models import User


@dataclass(frozen=True)
class Unit:
    """One account, written whole or not at all."""

    user: UserDocument
    history: History | None
    """The ledger; ``None`` for a user who never held credits."""
    last_document: str = ""
    """Id of the latest transaction, by which a later export is told from this one."""


@dataclass(frozen=True)
class Outcome:
    """What became of a batch."""

    written: Counter[str]
    refused: Sequence[tuple[str, str]]
    """Original id of a user, and why nothing of this account was written."""
    fresh: frozenset[str]
    """Original ids of those that were written now."""


def write(units: Sequence[Unit], *, dry_run: bool) -> Outcome:
    """
    Write accounts that are not there yet; those that are stay as they are.

    An account that the database refuses does not stop the others.

    Raises:
        OperationalError: the database is locked, full or gone. The batch was not written.
    """
    try:
        return _write_batch(units, dry_run=dry_run)
    except OperationalError:
        raise
    except DatabaseError as error:
        if len(units) == 1:
            # The first line: PostgreSQL's second may quote an address.
            reason = f"the database refused: {(str(error) or 'no reason given').splitlines()[0]}"
            return Outcome(Counter(), [(units[0].user.id, reason)], frozenset())
    halves = units[: len(units) // 2], units[len(units) // 2 :]
    first, second = (write(half, dry_run=dry_run) for half in halves)
    return Outcome(
        first.written + second.written,
        [*first.refused, *second.refused],
        first.fresh | second.fresh,
    )


@transaction.atomic
def _write_batch(units: Sequence[Unit], *, dry_run: bool) -> Outcome:
    there = _Present.among(units)
    written: Counter[str] = Counter()
    refused: list[tuple[str, str]] = []
    fresh: list[Unit] = []
    for unit in units:
        is_done, reason = there.judge(unit)
        if reason:
            refused.append((unit.user.id, reason))
        elif is_done:
            written["accounts that were there already"] += 1
        else:
            fresh.append(unit)
            written["users"] += unit.user.id not in there.users
    ledgers = [(unit.user.id, unit.history) for unit in fresh if unit.history is not None]
    for _, history in ledgers:
        written["balances"] += 1
        written["transactions"] += len(history.rows)
        written["lots"] += len(history.left)
        written["allocations"] += sum(len(row.draws) for row in history.rows)
    outcome = Outcome(written, refused, frozenset(unit.user.id for unit in fresh))
    if dry_run:
        return outcome

    new = [unit.user for unit in fresh if unit.user.id not in there.users]
    people = {**there.users, **_create_users(new)}
    _write_ledgers([(people[legacy_id], history) for legacy_id, history in ledgers], there)
    return outcome


@dataclass(frozen=True)
class _Present:
    """What the database holds already of a batch; its balances are locked."""

    users: Mapping[str, int]
    """Primary key of each user, by original id."""
    emails: frozenset[str]
    balances: Mapping[int, CreditBalance]
    active: frozenset[int]
    """Users with a ledger."""
    imported: frozenset[int]
    """Users whose ledger came from an import."""
    documents: frozenset[str]
    """Of the last documents of these units, those that were imported."""

    @classmethod
    def among(cls, units: Sequence[Unit]) -> "_Present":
        ids = [unit.user.id for unit in units]
        known = User.objects.filter(legacy_id__in=ids).values_list("legacy_id", "pk")
        users = {str(legacy_id): key for legacy_id, key in known}
        addresses = [unit.user.email for unit in units if unit.user.id not in users]
        keys = sorted(users.values())
        balances = CreditBalance.objects.select_for_update().filter(pk__in=keys).order_by("pk")
        rows = CreditTransaction.objects.filter(professional__in=keys).order_by()
        marks = [unit.last_document for unit in units if unit.last_document]
        return cls(
            users=users,
            emails=frozenset(
                User.objects.filter(email__in=addresses).values_list("email", flat=True)
            ),
            balances={balance.pk: balance for balance in balances},
            active=frozenset(rows.values_list("professional", flat=True).distinct()),
            imported=frozenset(
                rows.filter(metadata__has_key="homezy")
                .values_list("professional", flat=True)
                .distinct()
            ),
            documents=frozenset(
                rows.filter(metadata__homezy__in=marks).values_list("metadata__homezy", flat=True)
            ),
        )

    def judge(self, unit: Unit) -> tuple[bool, str]:
        """Return whether an account is there already, and why it cannot be written if so."""
        key = self.users.get(unit.user.id)
        if key is None:
            taken = unit.user.email in self.emails
            return False, "the e-mail address is that of another user here" if taken else ""
        if unit.history is None:
            return True, ""
        if key in self.imported:
            if unit.last_document and unit.last_document not in self.documents:
                return True, (
                    "imported before; the export now goes on, and what is new was not added:"
                    " a ledger is imported once"
                )
            return True, ""
        balance = self.balances.get(key)
        if key in self.active or (balance is not None and balance.total):
            return False, "has credits here that no import brought"
        return balance is not None and not unit.history.rows, ""


def _create_users(documents: Sequence[UserDocument]) -> dict[str, int]:
    users = [
        User(
            email=document.email,
            first_name=document.first_name,
            last_name=document.last_name,
            business_name=document.business_name,
            role=document.role,
            verification=document.verification,
            is_active=document.is_active,
            date_joined=document.joined_at,
            legacy_id=document.id,
        )
        for document in documents
    ]
    for user in users:
        # The original's hashes are of a scheme that Django does not read: a reset link lets in.
        user.set_unusable_password()
    return {str(user.legacy_id): user.pk for user in User.objects.bulk_create(users)}


def _write_ledgers(ledgers: Sequence[tuple[int, History]], there: _Present) -> None:
    writers = [_LedgerWriter(key, history) for key, history in ledgers]
    # Announced, and balances before the ledger, as every writer does: whoever counts the ledger
    # relies on it.
    enter_ledger(using="default")
    old = [writer.balance() for writer in writers if writer.key in there.balances]
    for balance in old:
        balance.save(force_update=True)
    CreditBalance.objects.bulk_create(
        writer.balance() for writer in writers if writer.key not in there.balances
    )
    while wave := [row for writer in writers for row in writer.next_rows()]:
        CreditTransaction.objects.bulk_create(wave)
    CreditAllocation.objects.bulk_create(
        allocation for writer in writers for allocation in writer.allocations()
    )


class _LedgerWriter:
    """
    One professional's rows, as the models hold them.

    The order of ids is the order of the ledger, and a row that names an earlier one needs its id;
    so the rows go out in waves, each up to the first that waits for an id of the same wave.
    """

    def __init__(self, key: int, history: History) -> None:
        self.key = key
        self._history = history
        self._models: list[CreditTransaction] = []
        self._total = 0

    def next_rows(self) -> list[CreditTransaction]:
        """Return the next wave, none when all have gone."""
        start = len(self._models)
        for place in range(start, len(self._history.rows)):
            row = self._history.rows[place]
            if row.origin is not None and row.origin >= start:
                break
            self._models.append(self._model(place, row))
        return self._models[start:]

    def _model(self, place: int, row: Row) -> CreditTransaction:
        before = self._total
        self._total += row.amount
        return CreditTransaction(
            professional_id=self.key,
            transaction_type=row.transaction_type,
            credit_type=row.credit_type,
            amount=row.amount,
            granted_amount=row.granted,
            remaining_amount=self._history.left.get(place, 0),
            expires_at=row.expires_at,
            balance_before=before,
            balance_after=self._total,
            description=row.description,
            metadata=dict(row.metadata),
            price=row.price,
            remaining_price=share_of(row.price, self._history.left.get(place, 0), row.granted or 1),
            currency="" if row.price is None else "AED",
            # The engine's own key, so that no month is reset twice.
            idempotency_key=row.key or f"reset:{row.at.astimezone(UTC):%Y-%m}:{self.key}",
            origin=None if row.origin is None else self._models[row.origin],
            created_at=row.at,
        )

    def allocations(self) -> Iterator[CreditAllocation]:
        """Yield what each row drew, once all rows have ids."""
        left = {place: row.granted for place, row in enumerate(self._history.rows)}
        for row, model in zip(self._history.rows, self._models, strict=True):
            for place, amount in row.draws:
                lot = self._models[place]
                before = share_of(lot.price, left[place], lot.granted_amount)
                left[place] += amount
                after = share_of(lot.price, left[place], lot.granted_amount)
                yield CreditAllocation(
                    lot=lot,
                    transaction=model,
                    amount=amount,
                    price=None if before is None or after is None else after - before,
                )

    def balance(self) -> CreditBalance:
        """Return the balance that the rows make."""
        sums: Counter[str] = Counter()
        last: dict[str, Row] = {}
        for row in self._history.rows:
            sums[_lifetime(row)] += row.amount
            last[row.transaction_type] = row
        reset = last.get("monthly_reset")
        return CreditBalance(
            professional_id=self.key,
            free_credits=self._history.free,
            paid_credits=self._history.paid,
            lifetime_earned=sums["earned"],
            lifetime_spent=-sums["spent"],
            lifetime_expired=-sums["expired"],
            last_reset_date=reset.at if reset else None,
            last_reset_period=f"{reset.at.astimezone(UTC):%Y-%m}" if reset else "",
            free_before_reset=reset.metadata["previous_free_credits"] if reset else None,
            last_purchase_at=last["purchase"].at if "purchase" in last else None,
            last_spend_at=last["spend"].at if "spend" in last else None,
        )


def _lifetime(row: Row) -> str:
    if row.transaction_type in {"spend", "refund"}:
        return "spent"
    if row.transaction_type == "expiry" or (
        row.transaction_type == "monthly_reset" and row.amount < 0
    ):
        return "expired"
    return "earned"
