"""What stands in the cells of lists and tables: people, amounts, types; text is escaped here."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from credits.models import CreditTransaction, JobRun, TransactionType

TONES = {
    TransactionType.PURCHASE: "good",
    TransactionType.BONUS: "good",
    TransactionType.SPEND: "info",
    TransactionType.REFUND: "plain",
    TransactionType.MONTHLY_RESET: "fresh",
    TransactionType.EXPIRY: "bad",
    TransactionType.ADJUSTMENT: "warn",
}
"""The colour of each type's badge; its word stands in it."""


def name_of(user: Any) -> str:
    """Return what to call a user: the full name, else the short one, else the e-mail or login."""
    for ask in ("get_full_name", "get_short_name"):
        if name := getattr(user, ask, str)():
            return str(name)
    return email_of(user) or str(user)


def email_of(user: Any) -> str:
    """Return a user's e-mail address, or nothing."""
    return getattr(user, user.get_email_field_name(), "") or ""


def person(user: Any, url: str = "") -> SafeString:
    """Return a name, as a link if there is a page to go to, over the e-mail."""
    name, email = name_of(user), email_of(user)
    called = format_html('<a href="{}">{}</a>', url, name) if url else format_html("{}", name)
    if email == name:
        return called
    return format_html('{}<br><span class="credits-quiet">{}</span>', called, email)


def number(value: int) -> str:
    """Return a whole number as the mails write it: ``1,440``, in every language."""
    return f"{value:,}"


def money(amount: Decimal, currency: str = "") -> SafeString:
    """Return a sum of money, its currency first; it reads left to right in every language."""
    return format_html('<bdi dir="ltr">{}</bdi>', f"{currency} {amount:,.2f}".strip())


def credits(amount: int) -> str:
    """Return "1,500 credits"."""
    told = ngettext("%(number)s credit", "%(number)s credits", amount)
    return told % {"number": number(amount)}


def signed(amount: int) -> SafeString:
    """Return an amount with its sign and colour; it reads left to right in every language."""
    sign, tone = ("+", "up") if amount > 0 else ("−", "down") if amount < 0 else ("", "none")
    return format_html(
        '<bdi dir="ltr" class="credits-amount credits-amount--{}">{}{}</bdi>',
        tone,
        sign,
        number(abs(amount)),
    )


def before_after(transaction: CreditTransaction) -> SafeString:
    """Return the balance before and after, with an arrow between that follows the language."""
    return format_html(
        '<span class="credits-nowrap"><span class="credits-quiet">{}</span>'
        ' <span class="credits-arrow" aria-hidden="true"></span> <strong>{}</strong></span>',
        number(transaction.balance_before),
        number(transaction.balance_after),
    )


def type_badge(transaction: CreditTransaction) -> SafeString:
    """Return the type of a transaction as a badge."""
    return format_html(
        '<span class="credits-badge credits-badge--{}">{}</span>',
        TONES.get(TransactionType(transaction.transaction_type), "plain"),
        transaction.get_transaction_type_display(),
    )


def title_of(transaction: CreditTransaction) -> str:
    """Return what to call a transaction: "Spend 17"."""
    return f"{capfirst(transaction.get_transaction_type_display())} {transaction.pk}"


def lot_left(transaction: CreditTransaction) -> SafeString | str:
    """Return what is left of a lot, of how much; nothing for what is no lot."""
    if not transaction.granted_amount:
        return ""
    return format_html(
        '<bdi dir="ltr" class="credits-nowrap">{} / {}</bdi>',
        number(transaction.remaining_amount),
        number(transaction.granted_amount),
    )


def author(transaction: CreditTransaction) -> SafeString | str:
    """Return who wrote a transaction: a person, a run (as a link), or a program."""
    if transaction.created_by is not None:
        return name_of(transaction.created_by)
    if transaction.run is not None:
        return format_html(
            '<a href="{}">{}</a>',
            change_url("jobrun", transaction.run.pk),
            run_name(transaction.run),
        )
    return _("program")


def run_name(run: JobRun) -> str:
    """Return what to call a run: "Monthly reset 12"."""
    return f"{capfirst(run.get_job_display())} {run.pk}"


def moment(at: datetime | None) -> str:
    """
    Return a moment in the reader's time zone, its day and its time in the reader's notation.

    Not in Django's own of both: in some languages, Arabic among them, that is the American one.
    """
    if at is None:
        return ""
    local = timezone.localtime(at)
    return _("%(day)s, %(time)s") % {
        "day": date_format(local, "DATE_FORMAT"),
        "time": date_format(local, "TIME_FORMAT"),
    }


def day_and_time(at: datetime) -> SafeString:
    """Return a moment as narrow as a column of a list wants it: the day over the time."""
    local = timezone.localtime(at)
    return format_html(
        '<span class="credits-nowrap">{} <br><span class="credits-quiet">{}</span></span>',
        date_format(local, "DATE_FORMAT"),
        date_format(local, "TIME_FORMAT"),
    )


def day(at: datetime | None) -> str:
    """Return the day of a moment in the reader's time zone and notation."""
    return date_format(timezone.localtime(at), "DATE_FORMAT") if at else ""


def change_url(name: str, key: Any) -> str:
    """Return the address of one row's page, as ``change_url("jobrun", 5)``."""
    return reverse(f"admin:credits_{name}_change", args=[key])
