"""What an act asks for, and what is wrong with what was typed, in a sentence."""

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credits.models import CreditType

MOST_CREDITS = 1_000_000
"""More by hand at once is a slip of the finger: several acts can do it."""


class LastDayField(forms.DateField):
    """A day in the reader's time zone; its value is the moment at which that day is over."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            input_formats=["%Y-%m-%d"],
            widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            error_messages={"invalid": gettext_lazy("Write the day as 2026-11-30.")},
            **kwargs,
        )

    def clean(self, value: Any) -> datetime | None:
        """
        Return the first moment after the day; ``None`` if nothing was typed.

        Raises:
            ValidationError: this is no day, or one after which there is none.
        """
        day = super().clean(value)
        if day is None:
            return None
        try:
            midnight = datetime.combine(day + timedelta(days=1), time())
            return timezone.make_aware(midnight)
        except OverflowError as error:
            raise ValidationError(_("Choose an earlier day.")) from error


class ActForm(forms.Form):
    """What every act asks for: why."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=1_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("Kept beside the transaction; it can be erased, the ledger cannot."),
    )

    field_order = ("amount", "credit_type", "expires_at", "reason")


class _PoolForm(ActForm):
    credit_type = forms.ChoiceField(
        label=gettext_lazy("Pool"),
        choices=CreditType.choices,
        help_text=gettext_lazy("Free credits last until the next reset, paid ones are a lot."),
    )
    expires_at = LastDayField(
        label=gettext_lazy("Last day"),
        required=False,
        help_text=gettext_lazy(
            "Of paid credits that are added: they can be spent until this day ends. Left empty,"
            " they last as long as a purchase."
        ),
    )

    def clean(self) -> dict[str, Any]:
        """Refuse a last day where there is nothing that has one."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("expires_at") and (
            cleaned.get("credit_type") == CreditType.FREE or cleaned.get("amount", 1) < 0
        ):
            self.add_error(
                "expires_at", _("Leave this empty: only paid credits that are added have one.")
            )
        return cleaned


class GrantForm(_PoolForm):
    """Credits given away."""

    amount = forms.IntegerField(
        label=gettext_lazy("Credits"), min_value=1, max_value=MOST_CREDITS, localize=False
    )


class AdjustForm(_PoolForm):
    """A correction, up or down."""

    amount = forms.IntegerField(
        label=gettext_lazy("Credits"),
        min_value=-MOST_CREDITS,
        max_value=MOST_CREDITS,
        help_text=gettext_lazy("With a minus to take credits away, as -5."),
    )

    def clean_amount(self) -> int:
        """Refuse a correction of nothing."""
        amount: int = self.cleaned_data["amount"]
        if amount == 0:
            raise ValidationError(_("Write how many credits to add, or with a minus to take away."))
        return amount


class RefundForm(ActForm):
    """What is given back of a spend."""

    amount = forms.IntegerField(
        label=gettext_lazy("Credits"),
        required=False,
        min_value=1,
        max_value=MOST_CREDITS,
        help_text=gettext_lazy("Left empty: all that can still be refunded."),
    )


class ExtendForm(ActForm):
    """A later end for a lot."""

    expires_at = LastDayField(
        label=gettext_lazy("New last day"),
        help_text=gettext_lazy("The credits can be spent until this day ends."),
    )
