"""What the app refuses, one class each. Every class carries the numbers it talks about."""

from datetime import datetime


class CreditsError(Exception):
    """The base of everything this app refuses."""


class InvalidArgument(CreditsError, ValueError):
    """An argument that can never be right: an amount below one, a naive moment, a blank key."""

    def __init__(self, argument: str, problem: str) -> None:
        self.argument = argument
        super().__init__(f"{argument}: {problem}")


class UnknownProfessional(CreditsError):
    """No user has this id."""

    def __init__(self, *, professional_id: object, argument: str = "professional_id") -> None:
        self.professional_id = professional_id
        self.argument = argument
        super().__init__(
            f"There is no professional {professional_id}."
            if argument == "professional_id"
            else f"{argument}: there is no user {professional_id}."
        )


class InsufficientCredits(CreditsError):
    """The professional holds fewer spendable credits than were asked for."""

    def __init__(self, *, professional_id: object, requested: int, available: int) -> None:
        self.professional_id = professional_id
        self.requested = requested
        self.available = available
        super().__init__(
            f"Professional {professional_id} has {available} credits; {requested} were asked for."
        )


class IdempotencyKeyReused(CreditsError):
    """The key already names an earlier call that was made with other arguments."""

    def __init__(self, *, idempotency_key: str, argument: str, first: object, now: object) -> None:
        self.idempotency_key = idempotency_key
        self.argument = argument
        self.first = first
        self.now = now
        super().__init__(
            f"The key “{idempotency_key}” was first used with {argument} {first!s};"
            f" this call says {now!s}."
        )


class UnknownSpend(CreditsError):
    """No spend was made with this key."""

    def __init__(self, *, spend_key: str) -> None:
        self.spend_key = spend_key
        super().__init__(f"There is no spend with the key “{spend_key}”.")


class RefundExceedsSpend(CreditsError):
    """More would be given back than the spend took and earlier refunds left."""

    def __init__(self, *, spend_key: str, requested: int, refundable: int) -> None:
        self.spend_key = spend_key
        self.requested = requested
        self.refundable = refundable
        super().__init__(
            f"Of the spend “{spend_key}” {refundable} credits can still be refunded;"
            f" {requested} were asked for."
        )


class UnknownLot(CreditsError):
    """No lot has this id."""

    def __init__(self, *, lot_id: object) -> None:
        self.lot_id = lot_id
        super().__init__(f"There is no lot {lot_id}.")


class LotNotOpen(CreditsError):
    """The lot is empty or past its expiry, so there is nothing to extend."""

    def __init__(self, *, lot_id: int, remaining: int, expires_at: datetime | None) -> None:
        self.lot_id = lot_id
        self.remaining = remaining
        self.expires_at = expires_at
        super().__init__(f"Lot {lot_id} has {remaining} credits left and expires {expires_at}.")


class NotAnExtension(CreditsError):
    """The new expiry does not lie after the present one."""

    def __init__(self, *, lot_id: int, expires_at: datetime, requested: datetime) -> None:
        self.lot_id = lot_id
        self.expires_at = expires_at
        self.requested = requested
        super().__init__(
            f"Lot {lot_id} expires {expires_at:%Y-%m-%d %H:%M}; {requested:%Y-%m-%d %H:%M}"
            " is not later."
        )


class NoEligibilityRule(CreditsError):
    """``CREDITS["ELIGIBLE_PROFESSIONALS"]`` is missing, so nobody can be reset."""

    def __init__(self) -> None:
        super().__init__(
            'CREDITS["ELIGIBLE_PROFESSIONALS"] is not set: name a function that returns the'
            " queryset of users whose free credits are reset."
        )


class InvalidAllowance(CreditsError):
    """The function that ``CREDITS["MONTHLY_FREE_CREDITS"]`` names gives no amount."""

    def __init__(self, *, path: str, found: object) -> None:
        self.path = path
        self.found = found
        super().__init__(
            f'CREDITS["MONTHLY_FREE_CREDITS"]: {path} returned {found!r}; it must return a whole'
            " number of at least 0, or an expression over users."
        )


class NoSealKey(CreditsError):
    """``CREDITS["SEAL_KEY"]`` is missing, so nothing can be sealed."""

    def __init__(self) -> None:
        super().__init__(
            'CREDITS["SEAL_KEY"] is not set: give a secret of 32 characters or more that is kept'
            ' outside the database; python -c "import secrets; print(secrets.token_urlsafe(32))"'
            " makes one."
        )


class SealsBroken(CreditsError):
    """The seals are not those that were written: no other is put over them."""

    def __init__(self, what: str) -> None:
        super().__init__(f"Nothing was sealed: {what}. Look with: manage.py verify_credits --seals")


class NothingToSay(CreditsError):
    """
    What a notice was to tell is no longer so; it is better not sent.

    ``reason`` is the sentence in English; ``message`` is the one of the catalogue, with
    ``%(name)s`` where each of ``numbers`` stands.
    """

    def __init__(self, reason: str, **numbers: object) -> None:
        self.message = reason
        self.numbers = numbers
        self.reason = reason % numbers if numbers else reason
        super().__init__(self.reason)


class TemplateUnusable(CreditsError):
    """A template of this kind of notice is missing or broken, so it cannot be shown."""

    def __init__(self, *, kind: str, error: Exception) -> None:
        self.kind = kind
        self.error = error
        super().__init__(
            f"A template of credits/notices/{kind}.* cannot be used:"
            f" {type(error).__name__}: {error}"
        )


class MailMisconfigured(CreditsError):
    """No mail can leave until a setting or a password is mended; nothing was sent in vain."""


class RunAlreadyActive(CreditsError):
    """Another run of this job is under way."""

    def __init__(self, *, job: str, run_id: int, host: str, heartbeat_at: datetime) -> None:
        self.job = job
        self.run_id = run_id
        self.host = host
        self.heartbeat_at = heartbeat_at
        super().__init__(
            f"Run {run_id} of {job} is active on {host} (last sign of life"
            f" {heartbeat_at:%Y-%m-%d %H:%M:%S} UTC)."
        )


class JobPaused(CreditsError):
    """Somebody paused this job, so nobody starts it."""

    def __init__(self, *, job: str, by: str, since: datetime, reason: str) -> None:
        self.job = job
        self.by = by
        self.since = since
        self.reason = reason
        super().__init__(
            f"{job} is paused by {by} since {since:%Y-%m-%d %H:%M} UTC (“{reason}”);"
            f" go on with: manage.py resume_credit_job {job}"
        )


class AlreadyPaused(CreditsError):
    """Somebody paused this job before; their reason stays."""

    def __init__(self, *, job: str, by: str, since: datetime, reason: str) -> None:
        self.job = job
        self.by = by
        self.since = since
        self.reason = reason
        super().__init__(
            f"{job} has been paused already, by {by} since {since:%Y-%m-%d %H:%M} UTC (“{reason}”)."
        )


class NotDue(CreditsError):
    """What was due a moment ago was done by another meanwhile; nothing was started."""

    def __init__(self, *, job: str) -> None:
        self.job = job
        super().__init__(f"{job} is not due any more.")


class LeaseLost(CreditsError):
    """Another process took this run for dead and took over; nothing more was written."""

    def __init__(self, *, run_id: int) -> None:
        self.run_id = run_id
        super().__init__(f"Run {run_id} was taken over by another process; it wrote nothing more.")


class ShardFailed(CreditsError):
    """A worker could not go on with its shard of a run; the shard waits for another attempt."""

    def __init__(self, *, run_id: int, number: int, error: str) -> None:
        self.run_id = run_id
        self.number = number
        self.error = error
        super().__init__(f"Shard {number} of run {run_id} stopped: {error}")


class TooManyFailures(CreditsError):
    """Every professional tried so far failed: the fault is not theirs."""

    def __init__(self, *, failures: int, last: str) -> None:
        self.failures = failures
        self.last = last
        super().__init__(f"The first {failures} professionals all failed; the last with: {last}")


class RunFailed(CreditsError):
    """A run ended before its work was done; what it committed stays and the next run goes on."""

    def __init__(self, *, job: str, run_id: int, error: str) -> None:
        self.job = job
        self.run_id = run_id
        self.error = error
        super().__init__(f"Run {run_id} of {job} failed: {error}")
