"""Who gets free credits each month: the host's answer to ``CREDITS["ELIGIBLE_PROFESSIONALS"]``."""

from django.db.models import QuerySet

from homezy.models import Role, User, Verification

VERIFIED = (Verification.BASIC, Verification.COMPREHENSIVE)


def verified_professionals() -> QuerySet[User]:
    """Return the active professionals whose papers were checked, in no particular order."""
    return User.objects.filter(role=Role.PRO, verification__in=VERIFIED, is_active=True)
