"""The people of the marketplace."""

from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """What a user is on the marketplace."""

    GUEST = "guest", _("guest")
    HOMEOWNER = "homeowner", _("homeowner")
    PRO = "pro", _("professional")
    ADMIN = "admin", _("administrator")


class Verification(models.TextChoices):
    """How far a professional's papers were checked."""

    UNVERIFIED = "unverified", _("unverified")
    PENDING = "pending", _("pending")
    BASIC = "basic", _("basic")
    COMPREHENSIVE = "comprehensive", _("comprehensive")
    REJECTED = "rejected", _("rejected")


class Language(models.TextChoices):
    """The languages that the marketplace writes in."""

    ENGLISH = "en", "English"
    ARABIC = "ar", "العربية"


def validate_time_zone(name: str) -> None:
    """Refuse a name that is not a time zone of the IANA database."""
    try:
        ZoneInfo(name)
    # Besides its own KeyError, ZoneInfo lets out what a path that is no zone ("Asia") causes.
    except (KeyError, ValueError, OSError) as error:
        raise ValidationError(
            _("%(name)s is not a time zone: write one like Asia/Dubai."),
            code="time_zone",
            params={"name": name},
        ) from error


class LowerCaseEmailField(models.EmailField):  # type: ignore[type-arg]  # generic in stubs only
    """An e-mail address kept, and looked up, in lower case: one person, one account, one index."""

    def to_python(self, value: Any) -> Any:
        """Return the address in lower case, as forms and ``clean()`` want it."""
        address = super().to_python(value)
        return address.lower() if isinstance(address, str) else address

    def get_prep_value(self, value: Any) -> Any:
        """Return the address in lower case, for rows and for the lookups that find them."""
        address = super().get_prep_value(value)
        return address.lower() if isinstance(address, str) else address


class UserManager(BaseUserManager["User"]):
    """Makes users; all of them log in by e-mail."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """
        Create a user; without a password it cannot log in until one is set.

        Raises:
            ValidationError: a field says what it may not, or the e-mail is taken.
        """
        user = self.model(email=email, **fields)
        user.set_password(password)
        user.full_clean()
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user who may do everything in the admin."""
        fields |= {"role": Role.ADMIN, "is_staff": True, "is_superuser": True}
        return self.create_user(email, password, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """Anyone with an account: a guest, a homeowner, a professional or an administrator."""

    email = LowerCaseEmailField(_("e-mail"))
    role = models.CharField(_("role"), max_length=16, choices=Role, default=Role.GUEST)
    verification = models.CharField(
        _("verification"),
        max_length=16,
        choices=Verification,
        default=Verification.UNVERIFIED,
        help_text=_("Basic and comprehensive make a professional a verified one."),
    )
    business_name = models.CharField(_("business name"), max_length=200, blank=True)
    first_name = models.CharField(_("first name"), max_length=150, blank=True)
    last_name = models.CharField(_("last name"), max_length=150, blank=True)
    language = models.CharField(
        _("language"), max_length=2, choices=Language, default=Language.ENGLISH
    )
    time_zone = models.CharField(
        _("time zone"), max_length=64, default="Asia/Dubai", validators=[validate_time_zone]
    )
    is_active = models.BooleanField(
        _("active"), default=True, help_text=_("Take this away instead of deleting the account.")
    )
    is_staff = models.BooleanField(
        _("staff"), default=False, help_text=_("May log in to the admin.")
    )
    date_joined = models.DateTimeField(_("joined"), default=timezone.now)
    # NULL, not "", where there was none: any number of users may have no id there.
    legacy_id = models.CharField(  # noqa: DJ001
        _("legacy id"),
        max_length=24,
        blank=True,
        null=True,
        help_text=_("The _id of this user in the original MongoDB system."),
    )

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        indexes = [
            # All that homezy.eligibility looks at: who is not verified is found without the rows.
            models.Index(
                fields=["id", "role", "verification", "is_active"], name="homezy_user_by_standing"
            ),
        ]
        constraints = [
            # Not unique=True: PostgreSQL would keep a second index for LIKE, which nobody asks.
            models.UniqueConstraint(fields=["email"], name="homezy_user_email_is_unique"),
            models.UniqueConstraint(fields=["legacy_id"], name="homezy_user_legacy_id_is_unique"),
            models.CheckConstraint(
                condition=Q(email=Lower("email")), name="homezy_user_email_is_lower_case"
            ),
            models.CheckConstraint(
                condition=Q(role__in=Role.values), name="homezy_user_role_is_known"
            ),
            models.CheckConstraint(
                condition=Q(verification__in=Verification.values),
                name="homezy_user_verification_is_known",
            ),
            models.CheckConstraint(
                condition=Q(language__in=Language.values), name="homezy_user_language_is_known"
            ),
        ]

    def get_full_name(self) -> str:
        """Return first and last name, with one space between, or nothing."""
        return f"{self.first_name} {self.last_name}".strip()

    def get_short_name(self) -> str:
        """Return what a letter begins with: the first name, else the business, else nothing."""
        return self.first_name or self.business_name
