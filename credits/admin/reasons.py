"""The question why, before something is done to a job: the answer is kept and logged."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from credits.jobs.pausing import LONGEST_REASON


class ReasonForm(forms.Form):
    """Why something is done, in one line."""

    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=LONGEST_REASON)

    def __init__(self, data: Any, *, told: str) -> None:
        """
        Args:
            told: who will read the answer.
        """
        super().__init__(data)
        self.fields["reason"].help_text = told

    def clean_reason(self) -> str:
        """Return the answer as a line."""
        return " ".join(self.cleaned_data["reason"].split())
