"""homezy.admin and homezy.urls: the people of the marketplace in the admin."""

import pytest
from django.contrib.admin.utils import flatten_fieldsets

from homezy.admin import UserAdmin
from homezy.models import Role, User, Verification

pytestmark = pytest.mark.django_db


@pytest.fixture
def aisha():
    return User.objects.create_user(
        "aisha@example.com",
        role=Role.PRO,
        verification=Verification.BASIC,
        business_name="Cool Air",
    )


class TestRoot:
    def test_leads_to_the_admin(self, client):
        response = client.get("/")

        assert response.status_code == 302
        assert response["Location"] == "/admin/"


class TestList:
    @pytest.mark.parametrize("search", ["AISHA@example.com", "aisha", "cool air"])
    def test_finds_by(self, admin_client, aisha, search):
        response = admin_client.get("/admin/homezy/user/", {"q": search})

        assert list(response.context["cl"].result_list) == [aisha]


class TestAdd:
    def test_makes_a_user_who_can_log_in(self, admin_client, client):
        password = "Umm Suqeim 12"

        response = admin_client.post(
            "/admin/homezy/user/add/",
            {
                "email": "Omar@Example.com",
                "role": Role.HOMEOWNER,
                "usable_password": "true",
                "password1": password,
                "password2": password,
            },
        )

        assert response.status_code == 302
        assert User.objects.get(email="omar@example.com").role == Role.HOMEOWNER
        assert client.login(username="omar@example.com", password=password)


class TestChange:
    def test_shows_every_field(self, admin_client, aisha):
        response = admin_client.get(f"/admin/homezy/user/{aisha.pk}/change/")

        assert response.status_code == 200
        shown = flatten_fieldsets(UserAdmin.fieldsets)
        fields = {field.name for field in User._meta.get_fields() if not field.auto_created}
        assert set(shown) == fields
