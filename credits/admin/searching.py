"""
Finding a professional: by e-mail, by the beginning of a name, or by id.

What a name is, the host's user model decides; see ``name_fields``. E-mail and id are found by the
indexes that they have. A name is found by reading the users through, unless there is an index of
each such field that knows its beginning in any case: a third of a second for a million of them, or
next to nothing. The host adds them in a migration of its own, as ``homezy.migrations.0002`` does::

    CREATE INDEX … ON … (UPPER(first_name) text_pattern_ops)    -- PostgreSQL
    CREATE INDEX … ON … (first_name COLLATE NOCASE)             -- SQLite
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import models
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from credits.admin.read_only import email_field
from credits.models.balances import ProfessionalId

MOST_NAMESAKES = 500
"""People of one name that a search goes on with: reading stops at so many."""

MOST_WORDS = 5
"""Words of a first name, after which a last name is looked for no more."""

_NAMES = ("first_name", "last_name", "name", "full_name", "business_name", "company_name")


def name_fields() -> list[str]:
    """
    Return the fields of the user model that hold names.

    They are whichever of the usual ones it has (``first_name``, …), and those of ``search_fields``
    in the host's own page of users that are texts of that model. The e-mail is none of them: it
    is searched whole.
    """
    users = get_user_model()
    page = admin.site.get_model_admin(users) if admin.site.is_registered(users) else None
    told = [name.lstrip("^=@") for name in page.search_fields] if page else []
    return [name for name in dict.fromkeys([*_NAMES, *told]) if _is_name(name)]


def find_professionals(term: str) -> list[ProfessionalId]:
    """
    Return the ids of the users a search term means: the beginning of a name, 500 at most.

    With an ``@`` in it the term is an e-mail, and digits alone are an id, if there is such a user.
    Where the user model has a first and a last name, both together are found too.
    """
    users: QuerySet[Any] = get_user_model()._default_manager.order_by()
    if "@" in term:
        return list(users.filter(**{email_field(): term}).values_list("pk", flat=True)[:2])
    if found := _by_id(users, term):
        return found
    names = _is_called(" ".join(term.split()))
    return list(users.filter(names).values_list("pk", flat=True)[:MOST_NAMESAKES]) if names else []


def help_text() -> str:
    """Return what can be searched for, to stand under the box."""
    labels = [str(_field(name).verbose_name) for name in name_fields()]
    return _("Whole e-mail, id, or the beginning of: %(fields)s.") % {"fields": ", ".join(labels)}


def _is_called(term: str) -> Q:
    """Return the condition that a name begins with the term, or first and last name are it."""
    fields = name_fields()
    names = Q()
    for name in fields:
        names |= Q(**{f"{name}__istartswith": term})
    if {"first_name", "last_name"} <= set(fields):
        words = term.split(" ")
        for cut in range(1, min(len(words), MOST_WORDS)):
            first, last = " ".join(words[:cut]), " ".join(words[cut:])
            names |= Q(first_name__iexact=first, last_name__istartswith=last)
    return names


def _by_id(users: QuerySet[Any], term: str) -> list[ProfessionalId]:
    try:
        key = users.model._meta.pk.to_python(term)
        return list(users.filter(pk=key).values_list("pk", flat=True))
    except (ValidationError, ValueError, OverflowError):
        return []


def _field(name: str) -> Any:
    return get_user_model()._meta.get_field(name)


def _is_name(name: str) -> bool:
    try:
        field = _field(name)
    except FieldDoesNotExist:
        return False
    return isinstance(field, models.CharField | models.TextField) and name != email_field()
