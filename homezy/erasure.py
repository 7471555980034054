"""What is left of a user who asked to be erased: the host's ``CREDITS["ERASE_PROFESSIONAL"]``."""

from homezy.models import Language, User, Verification


def erase_user(user: User) -> None:
    """
    Empty a user's row of all that says who it was; nobody can log in with it any more.

    The key stays, because the ledger points to it, and the legacy id, because the importer would
    bring the person in anew without it.
    """
    user.email = f"erased-{user.pk}@invalid"
    user.first_name = user.last_name = user.business_name = ""
    user.language = Language.ENGLISH
    user.time_zone = User._meta.get_field("time_zone").get_default()
    user.verification = Verification.UNVERIFIED
    user.is_active = user.is_staff = user.is_superuser = False
    user.last_login = None
    user.set_unusable_password()
    user.save()
    user.groups.clear()
    user.user_permissions.clear()
