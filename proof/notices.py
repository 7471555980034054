"""
Are notices lost, or sent twice, when the mail service fails and the sender is killed?

For each mail service: a fifth of the requests fail, senders run one or two at a time, a quarter of
an hour of their own time apart, and most are killed with SIGKILL while the service has a request
in its hands. At the end every mail that was taken is counted. Without an idempotency key a notice
may end ``parked``, but only where an answer was missing. The control sends first and marks
afterwards, in batches of 50.
"""

import random
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.db import connection

from proof.findings import Finding
from proof.mail_ledger import DEDUPLICATING, Ledger
from proof.mail_services import mail_service
from proof.sender import AT_ANY_HOUR, SENDERS
from proof.stage import clear
from tests.processes import Child

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
MOST_ROUNDS = 60

CONTROLLED = {"smtp", "mailgun"}
"""One of each protocol is enough for the control."""


@dataclass(frozen=True)
class Result:
    """What one experiment found."""

    service: str
    sender: str
    notices: int
    lost: int
    """Neither taken by the service nor parked nor failed with a word."""

    twice: int
    parked: int
    failed: int
    failed_though_taken: int
    unanswered: int
    """Requests that the service left without an answer, and senders killed with one in hand."""

    parked_without_cause: int
    unfinished: int
    """Still pending or sending after the last round."""

    kills: int
    faults: int
    rounds: int
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, sent twice, left over, or parked that had its answer."""
        lies = self.parked_without_cause or self.failed_though_taken
        return not self.lost and not self.twice and not self.unfinished and not lies


def experiment(
    service: str,
    *,
    sender: str = "ours",
    notices: int,
    kills: int = 0,
    seed: int,
    in_processes: bool = True,
    share_of_faults: float = 0.2,
    most_rounds: int = MOST_ROUNDS,
) -> Result:
    """
    Stage notices in the present database, send them under fire and count.

    Args:
        in_processes: each sender in one of its own; otherwise it works in this one and is not
            killed.
    """
    begun = time.monotonic()
    chance = random.Random(f"{seed} {service} {sender}")
    ledger = Ledger(seed=chance.randrange(2**32), share_of_faults=share_of_faults)
    addresses = _stage(notices)
    war = _War(ledger, chance, kills=kills, longest=min(25, notices // 2))
    rounds = 0
    with mail_service(service, ledger) as mail_settings:
        while _waiting() and rounds < most_rounds:
            ledger.now = NOON + rounds * QUARTER
            rounds += 1
            act = partial(_send_here, sender, ledger.now, mail_settings)
            if not in_processes:
                act()
                continue
            pair = 2 if chance.random() < 0.3 and sender == "ours" else 1
            war.fight([Child(lambda tell, act=act: act()) for _ in range(pair)])
    return _judge(service, sender, addresses, ledger, war, rounds, time.monotonic() - begun)


class _War:
    """Kills senders while the service has their request in its hands."""

    def __init__(self, ledger: Ledger, chance: random.Random, *, kills: int, longest: int) -> None:
        self.kills = 0
        self.killed_over: Counter[str] = Counter()
        self._left = kills
        self._longest = longest
        self._ledger = ledger
        self._chance = chance
        self._target = 0
        self._moment = ""
        self._senders: list[Child] = []
        ledger.on_request = self._on_request

    def fight(self, senders: list[Child]) -> None:
        self._senders = senders
        self._target = (
            self._ledger.requests + self._chance.randint(3, self._longest) if self._left else 0
        )
        self._moment = self._chance.choice(["before", "after"])
        if not {process.wait() for process in senders} <= {0, -9}:
            raise RuntimeError("A sender failed, see above.")
        self._target = 0

    def _on_request(self, moment: str) -> None:
        if self._target and self._ledger.requests >= self._target and moment == self._moment:
            self._target = 0
            self._left -= 1
            # Both of a pair: which of them asked cannot be seen from here.
            for process in self._senders:
                self.kills += 1
                with suppress(ProcessLookupError):
                    process.kill()


def _stage(count: int) -> dict[int, str]:
    """Promise ``count`` reset notices, one to a professional; return addresses by notice."""
    from credits.models import Notice
    from tests.factories import make_professionals

    Notice.objects.all().delete()
    professionals = make_professionals(count)
    promised = Notice.objects.bulk_create(
        Notice(
            kind=Notice.Kind.RESET,
            key=f"reset:2026-03:{professional.pk}",
            professional=professional,
            context={"before": 30, "after": 100, "period": "2026-03"},
            next_attempt_at=NOON,
            created_at=NOON,
        )
        for professional in professionals
    )
    return {
        notice.pk: professional.email
        for notice, professional in zip(promised, professionals, strict=True)
    }


def _send_here(sender: str, as_of: datetime, mail_settings: dict[str, Any]) -> None:
    from django.conf import settings
    from django.test import override_settings

    with override_settings(**mail_settings, CREDITS=settings.CREDITS | AT_ANY_HOUR, ADMINS=[]):
        SENDERS[sender](as_of)


def _waiting() -> bool:
    from credits.models import Notice

    return Notice.objects.filter(status__in=[Notice.Status.PENDING, Notice.Status.SENDING]).exists()


def _judge(
    service: str,
    sender: str,
    addresses: dict[int, str],
    ledger: Ledger,
    war: _War,
    rounds: int,
    seconds: float,
) -> Result:
    from credits.models import Notice

    status = dict(Notice.objects.filter(pk__in=addresses).values_list("pk", "status"))
    ends = Counter(status.values())
    told = {Notice.Status.PARKED, Notice.Status.FAILED}
    lost = [
        key
        for key, address in addresses.items()
        if not ledger.taken[address] and status[key] not in told
    ]
    parked = [addresses[key] for key, end in status.items() if end == Notice.Status.PARKED]
    without_cause = sum(not ledger.unanswered[address] for address in parked)
    return Result(
        service=service,
        sender=sender,
        notices=len(addresses),
        lost=len(lost),
        twice=ledger.twice,
        parked=len(parked),
        failed=ends[Notice.Status.FAILED],
        failed_though_taken=sum(
            bool(ledger.taken[addresses[key]])
            for key, end in status.items()
            if end == Notice.Status.FAILED
        ),
        unanswered=ledger.unanswered.total() + war.kills,
        # A kill leaves one notice in doubt, and the service does not know which.
        parked_without_cause=max(0, without_cause - war.kills),
        unfinished=ends[Notice.Status.PENDING] + ends[Notice.Status.SENDING],
        kills=war.kills,
        faults=ledger.faults.total(),
        rounds=rounds,
        seconds=seconds,
    )


def delivery(service: str, *, notices: int, kills: int, seed: int) -> Finding:
    """Send through one service under fire; the control, where it is due, on a stage of its own."""
    begun = time.monotonic()

    def send(sender: str) -> Result:
        clear()
        return experiment(service, sender=sender, notices=notices, kills=kills, seed=seed)

    ours = send("ours")
    naive = send("naive") if service in CONTROLLED else None
    clear()
    return Finding(
        experiment=f"delivery: {service}",
        engine=connection.vendor,
        trials=ours.kills + ours.faults,
        trial="kills and faults",
        complaints=tuple(verdict([ours])),
        control_trials=naive.notices if naive else 0,
        control_bad=naive.twice + naive.lost if naive else 0,
        seconds=time.monotonic() - begun,
        needs_control=naive is not None,
        remarks=f"{ours.notices} notices, {ours.parked} parked of {ours.unanswered} unanswered",
    )


def verdict(results: list[Result]) -> list[str]:
    """Return what speaks against the app."""
    against = [f"{each.service}: {each}" for each in results if not each.holds]
    against += [
        f"{each.service}: {each.parked} parked although it knows its keys for a day"
        for each in results
        if DEDUPLICATING.get(each.service, timedelta()) >= timedelta(days=1) and each.parked
    ]
    return against
