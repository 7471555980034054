from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.utils.translation import gettext_lazy as _

from credits.admin.read_only import email_field
from credits.engine.database import ledger_database


class ProfessionalField(forms.CharField):
    """A professional, typed as an e-mail address or an id; its value is the user, or ``None``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            label=_("Professional"),
            max_length=254,
            required=False,
            **kwargs,
        )

    def clean(self, value: Any) -> Any:
        """
        Return the user that was meant; ``None`` if nothing was typed.

        Raises:
            ValidationError: there is no such user.
        """
        text = super().clean(value)
        if not text:
            return None
        user_model = get_user_model()
        users = user_model._default_manager.using(ledger_database())
        found = None
        try:
            if "@" in text:
                user_model._meta.get_field(email_field())
                found = users.filter(**{f"{email_field()}__iexact": text}).first()
            else:
                found = users.filter(pk=user_model._meta.pk.to_python(text)).first()
        except (FieldDoesNotExist, ValidationError, ValueError, OverflowError):
            found = None
        if found is None:
            raise ValidationError(
                _("There is no user “%(text)s”; give the e-mail address or the id of one."),
                params={"text": text},
            )
        return found
