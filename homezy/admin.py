"""The people of the marketplace in the admin."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.utils.translation import gettext_lazy as _

from homezy.models import User


class UserCreationForm(AdminUserCreationForm):
    """Asks for an e-mail where Django's own form asks for a user name."""

    class Meta:
        model = User
        fields = ("email", "role")


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    """Users by e-mail; what a professional is, before what they may do in the admin."""

    add_form = UserCreationForm
    list_display = ("email", "business_name", "role", "verification", "is_active", "date_joined")
    list_filter = ("role", "verification", "is_active", "is_staff", "language")
    # Reads every row, a quarter of a second for a million: an operator seldom knows it all.
    search_fields = ("email", "business_name", "legacy_id__exact")
    ordering = ("-pk",)
    show_full_result_count = False
    readonly_fields = ("legacy_id", "last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        (_("Person"), {"fields": ("first_name", "last_name", "language", "time_zone")}),
        (_("Professional"), {"fields": ("role", "verification", "business_name")}),
        (
            _("Permissions"),
            {
                "classes": ("collapse",),
                "fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions"),
            },
        ),
        (_("History"), {"fields": ("date_joined", "last_login", "legacy_id")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": ("email", "role", "usable_password", "password1", "password2"),
            },
        ),
    )
