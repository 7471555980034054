"""homezy.erasure: what is left of a user."""

import pytest
from django.contrib.auth.models import Group

from homezy.erasure import erase_user
from homezy.models import Role, User, Verification

pytestmark = pytest.mark.django_db


class TestEraseUser:
    def test_leaves_a_key_that_says_nothing(self):
        user = User.objects.create_user(
            "aisha@example.com",
            "correct horse",
            first_name="Aisha",
            last_name="bint Omar",
            business_name="Salon Aisha",
            role=Role.PRO,
            verification=Verification.BASIC,
            language="ar",
            time_zone="Asia/Riyadh",
            legacy_id="65f0",
            is_staff=True,
        )
        user.groups.add(Group.objects.create(name="operators"))
        key, joined = user.pk, user.date_joined

        erase_user(user)

        left = User.objects.filter(pk=key).values().get()
        password = left.pop("password")
        assert left == {
            "id": key,
            "email": f"erased-{key}@invalid",
            "first_name": "",
            "last_name": "",
            "business_name": "",
            "role": "pro",
            "verification": "unverified",
            "language": "en",
            "time_zone": "Asia/Dubai",
            "is_active": False,
            "is_staff": False,
            "is_superuser": False,
            "last_login": None,
            "date_joined": joined,
            "legacy_id": "65f0",
        }
        assert password.startswith("!")
        assert not user.groups.exists()
