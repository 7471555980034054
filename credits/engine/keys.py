"""Ranges of keys: what a chunk is about."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q


@dataclass(frozen=True)
class KeyRange:
    """The professionals with ``after < key <= upto``; ``None`` is an open end."""

    after: Any = None
    upto: Any = None

    def on(self, field: str) -> Q:
        """Return this range as a condition on ``field``."""
        bounds = {f"{field}__gt": self.after, f"{field}__lte": self.upto}
        return Q(**{name: bound for name, bound in bounds.items() if bound is not None})


EVERYBODY = KeyRange()
