"""
What the app refuses, in the reader's language: what was wrong, and what to do instead.

The errors themselves speak English, to logs and programs, and carry the numbers for these
sentences: one function each, chosen by the error's class.
"""

from functools import singledispatch

from django.db import DatabaseError
from django.utils.translation import gettext as _

from credits.admin.cells import moment, number
from credits.exceptions import (
    IdempotencyKeyReused,
    InsufficientCredits,
    InvalidAllowance,
    InvalidArgument,
    LotNotOpen,
    NoEligibilityRule,
    NotAnExtension,
    NothingToSay,
    RefundExceedsSpend,
    RunAlreadyActive,
    UnknownLot,
    UnknownProfessional,
    UnknownSpend,
)
from credits.ledger.arguments import MAX_CREDITS


@singledispatch
def sentence(error: Exception) -> str:
    """Return what a page says of an error; one that has no words here speaks for itself."""
    return first_line(error)


def first_line(error: Exception) -> str:
    """Return what an error says itself, on one line."""
    return (str(error) or type(error).__name__).splitlines()[0]


@sentence.register
def _database(error: DatabaseError) -> str:
    return _("The database refused, and nothing was changed: %(error)s") % {
        "error": first_line(error)
    }


@sentence.register
def _short(error: InsufficientCredits) -> str:
    return _("Only %(count)s credits can be taken: write at most that many.") % {
        "count": number(error.available)
    }


@sentence.register
def _refunded(error: RefundExceedsSpend) -> str:
    if not error.refundable:
        return _("Nothing of this spend is left to refund.")
    return _(
        "Only %(count)s credits of this spend are left to refund: write at most that many."
    ) % {"count": number(error.refundable)}


@sentence.register
def _invalid(error: InvalidArgument) -> str:
    # The forms let no other wrong argument through.
    if error.argument == "amount":
        return _("A balance holds at most %(count)s credits: write fewer.") % {
            "count": number(MAX_CREDITS)
        }
    if error.argument == "expires_at":
        return _("Choose a later day: this one is over.")
    return first_line(error)


@sentence.register
def _closed(error: LotNotOpen) -> str:
    return _("This lot is empty or has expired, so there is nothing to extend.")


@sentence.register
def _sooner(error: NotAnExtension) -> str:
    return _("Choose a later day: the lot expires on %(moment)s already.") % {
        "moment": moment(error.expires_at)
    }


@sentence.register
def _reused(error: IdempotencyKeyReused) -> str:
    return _("This form has been used already: open it again to do something else.")


@sentence.register
def _nobody(error: UnknownProfessional) -> str:
    return _("There is no professional %(id)s.") % {"id": error.professional_id}


@sentence.register
def _no_spend(error: UnknownSpend) -> str:
    return _("There is no spend with the key “%(key)s”.") % {"key": error.spend_key}


@sentence.register
def _no_lot(error: UnknownLot) -> str:
    return _("There is no lot %(id)s.") % {"id": error.lot_id}


@sentence.register
def _nothing(error: NothingToSay) -> str:
    words = _(error.message)
    return words % error.numbers if error.numbers else words


@sentence.register
def _active(error: RunAlreadyActive) -> str:
    return _(
        "Run %(number)s of this job is active on %(host)s (last sign of life: %(moment)s):"
        " wait until it has ended."
    ) % {"number": error.run_id, "host": error.host, "moment": moment(error.heartbeat_at)}


@sentence.register
def _no_amount(error: InvalidAllowance) -> str:
    return _(
        "Nobody can be reset: %(setting)s names a function that gives no amount; it must return a"
        " whole number of at least 0, or an expression over users."
    ) % {"setting": 'CREDITS["MONTHLY_FREE_CREDITS"]'}


@sentence.register
def _no_rule(error: NoEligibilityRule) -> str:
    return _(
        "Nobody can be reset: set %(setting)s to a function that returns the queryset of users"
        " whose free credits are reset."
    ) % {"setting": 'CREDITS["ELIGIBLE_PROFESSIONALS"]'}
