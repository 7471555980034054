"""Seal the day that is over: what was written to the ledger since the last seal."""

import logging
from datetime import UTC, date, datetime, timedelta

from credits.conf import get_settings
from credits.engine.database import ledger_database
from credits.engine.seals import write_seal
from credits.exceptions import NoSealKey
from credits.models import DaySeal

logger = logging.getLogger("credits.seals")


def day_to_seal(*, as_of: datetime) -> date | None:
    """Return the day that is over at ``as_of`` if it waits for its seal and there is a key."""
    day = as_of.astimezone(UTC).date() - timedelta(days=1)
    sealed = DaySeal.objects.using(ledger_database()).filter(day=day)
    return day if get_settings().seal_key and not sealed.exists() else None


def seal_days(*, as_of: datetime) -> DaySeal | None:
    """
    Seal the day before ``as_of``, and with it what no seal covers; ``None`` if that was done.

    Days on which nobody sealed need no seal of their own: the next one covers their rows. Safe to
    call at any time, from any number of hosts; killed, it has written nothing.

    Raises:
        NoSealKey: ``CREDITS["SEAL_KEY"]`` is not set.
        SealsBroken: the last seal is not the one that was written last.
    """
    settings = get_settings()
    if not settings.seal_key:
        raise NoSealKey
    day = day_to_seal(as_of=as_of)
    if day is None:
        return None
    seal = write_seal(
        day=day,
        at=as_of,
        key=settings.seal_key,
        old_keys=settings.seal_old_keys,
        using=ledger_database(),
    )
    if seal.sealed_at != as_of:
        # Another host was faster.
        return None
    # The code is no secret. Kept in a log elsewhere, it witnesses that there was such a seal.
    logger.info(
        "ledger sealed day=%s seal=%s transactions=%s through=%s code=%s",
        seal.day,
        seal.number,
        seal.transaction_count,
        seal.through,
        seal.code,
    )
    return seal
