from typing import Any

from django.core.checks import CheckMessage
from django.db import models


class WithConditions(models.Model):
    """
    One whose indexes or unique constraints have conditions, which MariaDB does not know.

    Django warns that it leaves them out. The app makes up for the constraints, says itself when
    they are not there (credits.W012), and an index without its condition is only longer.
    """

    class Meta:
        abstract = True

    @classmethod
    def check(cls, **kwargs: Any) -> list[CheckMessage]:
        """Return Django's own messages but for those."""
        left_out = {"models.W036", "models.W037"}
        return [message for message in super().check(**kwargs) if message.id not in left_out]
