"""A person's erasure: amounts stay under an id that says nothing; names, addresses, words go."""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils.module_loading import import_string

from credits.conf import get_settings
from credits.engine.database import attempts, ledger_database, locked_not_for_its_key
from credits.exceptions import UnknownProfessional
from credits.models import (
    JobFailure,
    JobRun,
    JobShard,
    Notice,
    NoticeOptOut,
    SuppressedAddress,
    TransactionReason,
)
from credits.models.balances import ProfessionalId
from credits.notices.recipients import find_recipient

logger = logging.getLogger("credits.erasure")

ERASED = "erased"


@dataclass(frozen=True)
class Erased:
    """What went, or would go: rows of each kind."""

    reasons: int
    """Of their transactions, as somebody typed them."""

    notices: int
    opt_outs: int
    suppressed_addresses: int
    failures: int
    """Of runs, as the database told them; the rows stay, the words go."""

    log_entries: int
    """Of the admin's log, that called the user or an address by name; the entries stay."""

    account: str
    """What emptied the user's own row; nothing if the project names no function."""


def erase_professional(professional_id: ProfessionalId, *, dry_run: bool = False) -> Erased:
    """
    Take out what says who a professional was, in one transaction; balance and ledger stay.

    The host's own part is ``CREDITS["ERASE_PROFESSIONAL"]``, called with the user in the same
    transaction. Again, it finds nothing.

    Raises:
        UnknownProfessional: no user has this id.
    """
    using = ledger_database()
    erased = None
    for attempt in attempts(using=using):
        with attempt, transaction.atomic(using=using):
            erased = _erase(professional_id, using=using)
            if dry_run:
                transaction.set_rollback(True, using=using)
    assert erased is not None  # noqa: S101  the last attempt returns or raises
    if not dry_run:
        logger.info("professional erased professional=%s", professional_id)
    return erased


def _erase(professional_id: ProfessionalId, *, using: str) -> Erased:
    _hold_runs_that_failed_for(professional_id, using=using)
    users = get_user_model()._base_manager.using(using).select_for_update()
    user = users.filter(pk=professional_id).first()
    if user is None:
        raise UnknownProfessional(professional_id=professional_id)
    own = {"professional_id": professional_id}
    notices = Notice.objects.using(using).filter(**own)
    # Where they were sent, and where the next would be.
    addresses = {address.lower() for address in notices.values_list("address", flat=True)}
    addresses.add(find_recipient(user).address.strip().lower())
    addresses.discard("")
    path = get_settings().erase_professional
    erased = Erased(
        reasons=_delete(
            TransactionReason.objects.using(using).filter(transaction__professional=professional_id)
        ),
        # Before the notices that they may point to.
        suppressed_addresses=_delete(
            SuppressedAddress.objects.using(using).filter(address__in=addresses)
        ),
        notices=_delete(notices),
        opt_outs=_delete(NoticeOptOut.objects.using(using).filter(**own)),
        failures=_empty_failures(professional_id, using=using),
        log_entries=_empty_log(professional_id, addresses, using=using),
        account=path,
    )
    if path:
        erase: Callable[[Any], None] = import_string(path)
        erase(user)
    return erased


def _hold_runs_that_failed_for(professional_id: ProfessionalId, *, using: str) -> None:
    # A run that is closed is held before its failures are read, and quotes the first: so it reads
    # them behind this transaction, or has written by now what is taken out here. Before the user,
    # as a chunk does.
    failed = JobFailure.objects.using(using).filter(professional=professional_id)
    runs = JobRun.objects.using(using).filter(pk__in=failed.values("run")).order_by("pk")
    list(locked_not_for_its_key(runs, using=using).values_list("pk"))


def _delete(rows: QuerySet[Any]) -> int:
    count = rows.count()
    rows.delete()
    return count


def _empty_failures(professional_id: ProfessionalId, *, using: str) -> int:
    # A database quotes the row that it refuses, a run its first failure, a shard its last.
    failures = JobFailure.objects.using(using).filter(professional=professional_id)
    for failure in failures.exclude(error=""):
        first = failure.error.splitlines()[0]
        JobRun.objects.using(using).filter(pk=failure.run_id, error_summary__contains=first).update(
            error_summary=f"The first failed; {ERASED}."
        )
        JobShard.objects.using(using).filter(run=failure.run_id, error__contains=first).update(
            error=f"The last failed; {ERASED}."
        )
    return failures.exclude(error="").update(error="")


def _empty_log(professional_id: ProfessionalId, addresses: set[str], *, using: str) -> int:
    """Let the admin's log, where there is one, call the user and their addresses nothing."""
    if not apps.is_installed("django.contrib.admin"):
        return 0
    entries = apps.get_model("admin", "LogEntry")._base_manager.using(using)

    def about(model: type[Model], keys: Collection[str]) -> list[Any]:
        told = entries.exclude(object_repr=ERASED).filter(
            content_type__app_label=model._meta.app_label,
            content_type__model=model._meta.model_name,
            object_id__in=keys,
        )
        return list(told.values_list("pk", flat=True))

    users = about(get_user_model(), [str(professional_id)])
    # Of an address that somebody cleared: the key is the address.
    cleared = about(SuppressedAddress, addresses)
    entries.filter(pk__in=cleared).update(object_id=ERASED)
    return int(entries.filter(pk__in=[*users, *cleared]).update(object_repr=ERASED))
