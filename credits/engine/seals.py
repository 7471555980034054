"""
Seals: one HMAC for each closed day over what was written to the ledger since the seal before.

The key is kept outside the database, so whoever changes rows behind the triggers, however well the
books still add up, cannot make the code that goes with them. Each code covers the one before it,
and a mark with a code of its own says which seal is the last.
"""

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

from django.db import transaction
from django.db.models import QuerySet

from credits.engine import digest
from credits.engine.database import attempts
from credits.engine.inserting import insert_unless_there
from credits.engine.totals import roll_up
from credits.exceptions import SealsBroken
from credits.models import CreditTransaction, DaySeal, SealMark, TotalsMark

OVERDUE = timedelta(days=2)
"""A last seal whose day is longer ago than this: nobody seals any more."""

_SAID = (
    "version",
    "number",
    "day",
    "through",
    "transaction_count",
    "free_amount",
    "paid_amount",
    "allocation_count",
    "digest",
    "key_id",
    "previous_code",
)


@dataclass(frozen=True)
class Breach:
    """Something that is not as it was sealed."""

    day: date | None
    what: str


@dataclass(frozen=True)
class SealReport:
    """How the seals stand."""

    seals: int
    transactions: int
    """That they cover."""

    unsealed: int
    """Transactions that are newer than the last seal."""

    breaches: tuple[Breach, ...]


def key_id(key: str) -> str:
    """Return what a seal says about its key: enough to find it, nothing of use to anybody else."""
    return sha256(key.encode()).hexdigest()[:8]


def write_seal(
    *, day: date, at: datetime, key: str, old_keys: Sequence[str], using: str
) -> DaySeal:
    """
    Seal what was written since the last seal, as that of ``day``; return the day's seal.

    What an open database transaction may still precede is left to the next one. If somebody else
    was faster, theirs is returned.

    Raises:
        SealsBroken: the last seal is not the one that was written last. Nothing is sealed over it.
    """
    roll_up(using=using)
    last = _seals(using).last()
    after = last.through if last else None
    through = max(_settled(using=using), after or 0)
    held = digest.content(after=after, through=through, using=using)
    seal = DaySeal(
        number=last.number + 1 if last else 1,
        day=day,
        through=through,
        transaction_count=held.transactions,
        free_amount=held.free,
        paid_amount=held.paid,
        allocation_count=held.allocations,
        digest=held.digest,
        version=digest.VERSION,
        sealed_at=at,
        key_id=key_id(key),
        previous_code=last.code if last else "",
    )
    seal.code = _code(seal, key)
    for attempt in attempts(using=using):
        with attempt, transaction.atomic(using=using):
            mark = _lock_mark(using=using)
            # Also if only the answer to our own commit was lost.
            if rival := DaySeal.objects.using(using).filter(day=day).first():
                return rival
            newest = _seals(using).last()
            if what := _mark_breach(mark, newest, _by_id([key, *old_keys])):
                raise SealsBroken(what)
            if newest != last:
                raise SealsBroken("another seal was written meanwhile, for another day: try again")
            seal.save(using=using, force_insert=True)
            mark.number = seal.number
            mark.key_id = seal.key_id
            mark.code = _mark_code(seal, key)
            mark.save(using=using)
    return seal


def check_seals(
    *,
    keys: Sequence[str],
    as_of: datetime,
    since: date | None = None,
    known: str | None = None,
    using: str,
) -> SealReport:
    """
    Recompute every seal and compare; of days before ``since`` the codes alone, not the rows.

    Args:
        keys: all that seals were ever made with.
        known: a code that a seal once had, as a log elsewhere witnesses; it must be there still.
    """
    by_id = _by_id(keys)
    # Locked: between the two questions nobody adds a seal.
    with transaction.atomic(using=using):
        mark = SealMark.objects.using(using).select_for_update().first() or SealMark()
        seals = list(_seals(using))
    breaches: list[Breach] = []
    before: DaySeal | None = None
    for seal in seals:
        reads = since is None or seal.day >= since
        breaches += _breaches(seal, before, by_id, reads=reads, using=using)
        before = seal
    if known and known not in {seal.code for seal in seals}:
        breaches.append(Breach(None, f"no seal has the code {known}"))
    if what := _mark_breach(mark, before, by_id):
        breaches.append(Breach(before.day if before else None, what))
    elif before is None:
        breaches.append(Breach(None, "there are none: manage.py seal_credits writes the first"))
    elif as_of.astimezone(UTC).date() - before.day > OVERDUE:
        breaches.append(Breach(before.day, "is the last day sealed: seal_credits does not run"))
    rows = CreditTransaction.objects.using(using)
    return SealReport(
        seals=len(seals),
        transactions=sum(seal.transaction_count for seal in seals),
        unsealed=(rows.filter(pk__gt=before.through) if before else rows).count(),
        breaches=tuple(breaches),
    )


def _breaches(
    seal: DaySeal, before: DaySeal | None, known: dict[str, str], *, reads: bool, using: str
) -> Iterator[Breach]:
    key = known.get(seal.key_id)
    if key is None:
        yield Breach(seal.day, f"its key {seal.key_id} is none of SEAL_KEY and SEAL_OLD_KEYS")
    elif seal.version not in digest.COLUMNS:
        yield Breach(seal.day, f"it is of version {seal.version}, which this release cannot read")
        return
    elif not hmac.compare_digest(_code(seal, key), seal.code):
        yield Breach(seal.day, f"seal {seal.number} was edited or forged: its code is wrong")
    number = before.number if before else 0
    if seal.number != number + 1:
        lost = (
            f"seal {number + 1}"
            if seal.number == number + 2
            else (f"seals {number + 1} to {seal.number - 1}")
        )
        yield Breach(seal.day, f"{lost} before it: gone")
        # Where its own rows begin only the lost one knew.
        return
    if seal.previous_code != (before.code if before else ""):
        yield Breach(seal.day, f"seal {seal.number} does not follow the one before it")
    if reads and (differs := _differences(seal, before, using=using)):
        yield Breach(seal.day, f"seal {seal.number} does not fit the rows: {differs}")


def _differences(seal: DaySeal, before: DaySeal | None, *, using: str) -> str:
    held = digest.content(
        after=before.through if before else None,
        through=seal.through,
        version=seal.version,
        using=using,
    )
    pairs = {
        "transactions": (held.transactions, seal.transaction_count),
        "free credits": (held.free, seal.free_amount),
        "paid credits": (held.paid, seal.paid_amount),
        "allocations": (held.allocations, seal.allocation_count),
    }
    said = [f"{name} {now:,}, sealed {was:,}" for name, (now, was) in pairs.items() if now != was]
    if held.digest != seal.digest:
        said.append("the digest differs")
    return "; ".join(said)


def _mark_breach(mark: SealMark, last: DaySeal | None, known: dict[str, str]) -> str:
    """Return why the last seal there is cannot be the last that was written; nothing if it is."""
    number = last.number if last else 0
    if mark.number != number:
        return f"the last seal written was {mark.number}, the last one there is {number}"
    if last is None:
        return ""
    key = known.get(mark.key_id)
    if key is None:
        return f"the mark's key {mark.key_id} is none of SEAL_KEY and SEAL_OLD_KEYS"
    if not hmac.compare_digest(_mark_code(last, key), mark.code):
        return f"the mark does not say that seal {number} is the last: its code is wrong"
    return ""


def _code(seal: DaySeal, key: str) -> str:
    said = [f"{name}={getattr(seal, name)}" for name in _SAID]
    said.append(f"sealed_at={seal.sealed_at.astimezone(UTC).isoformat(timespec='microseconds')}")
    return _hmac(key, "credits seal", *said)


def _mark_code(seal: DaySeal, key: str) -> str:
    return _hmac(key, "credits seal mark", str(seal.number), seal.code)


def _hmac(key: str, *lines: str) -> str:
    return hmac.new(key.encode(), "\n".join(lines).encode(), sha256).hexdigest()


def _by_id(keys: Sequence[str]) -> dict[str, str]:
    return {key_id(key): key for key in keys if key}


def _seals(using: str) -> QuerySet[DaySeal]:
    return DaySeal.objects.using(using).order_by("number")


def _settled(*, using: str) -> int:
    """Return the last key that no other transaction can still precede: what the totals counted."""
    counted = TotalsMark.objects.using(using).values_list("through", flat=True).first() or 0
    end = CreditTransaction.objects.using(using).order_by("-pk").values_list("pk", flat=True)
    return min(counted, end.first() or 0)


def _lock_mark(*, using: str) -> SealMark:
    marks = SealMark.objects.using(using)
    insert_unless_there(SealMark(pk=1), using=using)
    return marks.select_for_update().get(pk=1)
