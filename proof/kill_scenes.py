"""The jobs that are killed, each over professionals to whom things happen between two runs."""

import os
import random
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from credits.jobs.expiry import expire_credits
from credits.jobs.notices import send_notices, stage_expiry_warnings
from credits.jobs.reset import reset_monthly_credits
from credits.jobs.workers import run_with_workers
from credits.models import CreditBalance, CreditTransaction, JobRun, Notice, TransactionType
from credits.periods import period_of
from homezy.models import User
from proof import file_mail, naive
from proof.sender import AT_ANY_HOUR
from proof.stage import clear
from tests.books import broken_invariants
from tests.factories import (
    JANUARY,
    MARCH,
    give,
    give_all,
    make_professionals,
    new_key,
    use,
)

PROFESSIONALS = 24
MAILS = 12
"""Half as many: composing them takes most of the time of a trial, and no moment in it is new."""

CHUNK = 4
SETTINGS = AT_ANY_HOUR | {
    "ELIGIBLE_PROFESSIONALS": "homezy.eligibility.verified_professionals",
    "CHUNK_SIZE": CHUNK,
}


class Scene:
    """One job and its naive twin, over professionals to whom things happen between two runs."""

    name = ""
    engine = ""
    """The one it is for; empty where it is for all."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        clear()
        self.crowd: Sequence[User] = make_professionals(PROFESSIONALS)
        self.now = JANUARY
        give_all(
            [(professional, chance.choice([30, 100, 120])) for professional in self.crowd],
            at=self.now,
        )

    def prepare(self) -> None:
        """Let time pass and make work for the job."""
        raise NotImplementedError

    def act(self) -> None:
        """Do the job."""
        raise NotImplementedError

    def act_again(self) -> None:
        """Do what a killed job left."""
        self.act()

    def act_naively(self) -> None:
        """Do it as the original did."""
        raise NotImplementedError

    def complaints(self) -> list[str]:
        """Return what is not as it should be when the job is done; ``prepare`` made the work."""
        return [f"{name}: {count} offend" for name, count in broken_invariants().items()]


class Reset(Scene):
    name = "kills in a reset"

    def prepare(self) -> None:
        self.now = (self.now.replace(day=1) + timedelta(days=32)).replace(day=1)
        for professional in self.chance.sample(self.crowd, 3):
            give(professional, self.chance.randint(1, 60), at=self.now - timedelta(days=2))
        for professional in self.chance.sample(self.crowd, 3):
            use(professional, self.chance.randint(1, 30), at=self.now - timedelta(days=1))

    def act(self) -> None:
        reset_monthly_credits(as_of=self.now)

    def act_naively(self) -> None:
        naive.reset(as_of=self.now, period=period_of(self.now))

    def complaints(self) -> list[str]:
        rows = CreditTransaction.objects.filter(
            transaction_type=TransactionType.MONTHLY_RESET, created_at=self.now
        )
        found = super().complaints()
        if (count := rows.count()) != PROFESSIONALS:
            found.append(f"{count} resets for {PROFESSIONALS} professionals")
        if others := CreditBalance.objects.exclude(free_credits=100).count():
            found.append(f"{others} balances are not 100")
        return found


class SharedReset(Reset):
    name = "kills among workers"
    engine = "postgresql"

    def act(self) -> None:
        run_with_workers(JobRun.Job.RESET, as_of=self.now, workers=2)

    def act_again(self) -> None:
        # Later: a run whose workers are dead is taken over when its lease is over.
        runs = JobRun.objects.filter(status=JobRun.Status.RUNNING)
        runs.update(heartbeat_at=timezone.now() - timedelta(days=1))
        self.act()


class Expiry(Scene):
    name = "kills in an expiry"

    def prepare(self) -> None:
        before, self.now = self.now, self.now + timedelta(days=1)
        self.due = give_all(
            [
                (professional, self.chance.randint(1, 60))
                for professional in self.chance.choices(self.crowd, k=12)
            ],
            expires_at=self.now,
            at=before,
        )

    def act(self) -> None:
        expire_credits(as_of=self.now)

    def act_naively(self) -> None:
        naive.expire(as_of=self.now)

    def complaints(self) -> list[str]:
        found = super().complaints()
        expiries = CreditTransaction.objects.filter(transaction_type=TransactionType.EXPIRY)
        told = Counter(expiries.values_list("origin", "amount"))
        if told.keys() & {(lot.pk, -lot.amount) for lot in self.due} != {
            (lot.pk, -lot.amount) for lot in self.due
        } or any(count > 1 for count in told.values()):
            found.append("a due lot was not written off exactly once and whole")
        return found


class Warn(Scene):
    name = "kills while warning"

    def prepare(self) -> None:
        self.now += timedelta(days=1)
        expires_at = self.now + timedelta(days=6, hours=12)
        self.losing = self.chance.sample(self.crowd, 12)
        amounts = [(professional, self.chance.randint(1, 60)) for professional in self.losing]
        give_all(amounts, expires_at=expires_at, at=self.now)

    def act(self) -> None:
        stage_expiry_warnings(as_of=self.now)

    def act_naively(self) -> None:
        naive.warn(as_of=self.now, lead=timedelta(days=7))

    def complaints(self) -> list[str]:
        found = super().complaints()
        warned = Counter(
            Notice.objects.filter(kind=Notice.Kind.EXPIRY_WARNING, created_at=self.now).values_list(
                "professional", flat=True
            )
        )
        if warned != Counter(professional.pk for professional in self.losing):
            found.append(f"warned {sum(warned.values())} times, not {len(self.losing)}")
        return found


class Sending(Scene):
    name = "kills while sending"

    def prepare(self) -> None:
        self.now = MARCH.replace(hour=12) if self.now == JANUARY else self.now + timedelta(hours=1)
        Path(os.environ[file_mail.PATH]).unlink(missing_ok=True)
        Notice.objects.all().delete()
        Notice.objects.bulk_create(
            Notice(
                kind=Notice.Kind.RESET,
                key=new_key("notice"),
                professional=professional,
                context={"before": 30, "after": 100, "period": "2026-03"},
                next_attempt_at=self.now,
                created_at=self.now,
            )
            for professional in self.crowd[:MAILS]
        )

    def act(self) -> None:
        send_notices(as_of=self.now)

    def act_again(self) -> None:
        # Later: what a killed sender had taken is taken over when it has been silent for a while.
        for minutes in (15, 30):
            send_notices(as_of=self.now + timedelta(minutes=minutes))

    def act_naively(self) -> None:
        naive.send()

    def complaints(self) -> list[str]:
        found = super().complaints()
        mails = Counter(file_mail.taken())
        parked = 0
        for address, status in Notice.objects.values_list("professional__email", "status"):
            parked += status == Notice.Status.PARKED
            if mails[address] > 1:
                found.append(f"a mail was sent {mails[address]} times")
            if not mails[address] and status != Notice.Status.PARKED:
                found.append(f"a notice is {status} and was never taken")
        if parked > 1:
            found.append(f"one kill left {parked} notices in doubt")
        return found


SCENES: tuple[type[Scene], ...] = (Reset, SharedReset, Expiry, Warn, Sending)
