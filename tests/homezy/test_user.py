"""homezy.models: the people of the marketplace."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection

from homezy.models import Role, User, Verification, validate_time_zone

pytestmark = pytest.mark.django_db

ADDRESS = "aisha@example.com"


class TestCreateUser:
    def test_begins_as_an_unverified_guest_in_dubai(self):
        aisha = User.objects.create_user(ADDRESS)

        assert aisha.role == Role.GUEST
        assert aisha.verification == Verification.UNVERIFIED
        assert (aisha.language, aisha.time_zone) == ("en", "Asia/Dubai")
        assert aisha.is_active
        assert not aisha.is_staff

    def test_sets_the_password(self):
        aisha = User.objects.create_user(ADDRESS, "open sesame")

        assert aisha.check_password("open sesame")

    def test_cannot_log_in_without_a_password(self):
        aisha = User.objects.create_user(ADDRESS)

        assert not aisha.has_usable_password()

    @pytest.mark.parametrize(
        "fields",
        [
            pytest.param({"email": ""}, id="no e-mail"),
            pytest.param({"email": "aisha"}, id="no e-mail address"),
            pytest.param({"email": ADDRESS, "role": "plumber"}, id="unknown role"),
            pytest.param({"email": ADDRESS, "verification": "maybe"}, id="unknown verification"),
            pytest.param({"email": ADDRESS, "language": "fr"}, id="unknown language"),
            pytest.param({"email": ADDRESS, "time_zone": "Asia"}, id="no time zone"),
        ],
    )
    def test_refuses(self, fields):
        with pytest.raises(ValidationError):
            User.objects.create_user(**fields)

        assert not User.objects.exists()


class TestCreateSuperuser:
    def test_may_do_everything(self):
        root = User.objects.create_superuser(ADDRESS, "open sesame")

        assert root.role == Role.ADMIN
        assert root.is_staff
        assert root.is_superuser


class TestEmail:
    def test_is_kept_in_lower_case(self):
        aisha = User(email="Aisha@Example.COM")

        aisha.save()

        aisha.refresh_from_db()
        assert aisha.email == ADDRESS

    def test_is_found_whatever_its_case(self):
        aisha = User.objects.create_user(ADDRESS)

        assert User.objects.get(email="AISHA@example.com") == aisha
        assert User.objects.get_by_natural_key("Aisha@Example.com") == aisha

    def test_is_lower_case_in_bulk_too(self):
        User.objects.bulk_create([User(email="AISHA@example.com")])

        assert User.objects.get().email == ADDRESS

    def test_belongs_to_one_user_whatever_its_case(self):
        User.objects.create_user(ADDRESS)

        with pytest.raises(IntegrityError):
            User(email="AISHA@EXAMPLE.COM").save()

    # MariaDB compares it without regard to case: there the unique index alone keeps one address.
    @pytest.mark.engine("sqlite", "postgresql")
    def test_cannot_be_upper_case_even_by_sql(self):
        aisha = User.objects.create_user(ADDRESS)

        with connection.cursor() as cursor, pytest.raises(IntegrityError, match="lower_case"):
            cursor.execute("UPDATE homezy_user SET email = 'AISHA' WHERE id = %s", [aisha.pk])

    def test_logs_in_whatever_its_case(self, client):
        User.objects.create_user(ADDRESS, "open sesame")

        assert client.login(username="Aisha@Example.com", password="open sesame")


class TestConstraints:
    @pytest.mark.parametrize(
        ("field", "name"),
        [
            ("role", "homezy_user_role_is_known"),
            ("verification", "homezy_user_verification_is_known"),
            ("language", "homezy_user_language_is_known"),
        ],
    )
    def test_refuse_an_unknown(self, field, name):
        aisha = User.objects.create_user(ADDRESS)

        with pytest.raises(IntegrityError, match=name):
            User.objects.filter(pk=aisha.pk).update(**{field: "?"})


class TestLegacyId:
    def test_may_be_missing_for_any_number_of_users(self):
        User.objects.create_user(ADDRESS)
        User.objects.create_user("omar@example.com")

        assert User.objects.filter(legacy_id=None).count() == 2

    def test_belongs_to_one_user(self):
        User.objects.create_user(ADDRESS, legacy_id="64b7f0c2e1d3a4b5c6d7e8f9")

        with pytest.raises(ValidationError, match="homezy_user_legacy_id_is_unique|already exists"):
            User.objects.create_user("omar@example.com", legacy_id="64b7f0c2e1d3a4b5c6d7e8f9")


class TestNames:
    @pytest.mark.parametrize(
        ("fields", "full", "short"),
        [
            pytest.param({}, "", "", id="none"),
            pytest.param({"first_name": "Aisha"}, "Aisha", "Aisha", id="first"),
            pytest.param(
                {"first_name": "Aisha", "last_name": "Khan"}, "Aisha Khan", "Aisha", id="both"
            ),
            pytest.param({"business_name": "Cool Air"}, "", "Cool Air", id="business"),
        ],
    )
    def test_are_made_of_what_is_known(self, fields, full, short):
        aisha = User(email=ADDRESS, **fields)

        assert aisha.get_full_name() == full
        assert aisha.get_short_name() == short
        assert str(aisha) == ADDRESS


class TestValidateTimeZone:
    @pytest.mark.parametrize("name", ["Asia/Dubai", "UTC", "Europe/London"])
    def test_accepts(self, name):
        validate_time_zone(name)

    @pytest.mark.parametrize("name", ["", "Asia", "Asia/Atlantis", "../etc/passwd", "/etc/passwd"])
    def test_refuses(self, name):
        with pytest.raises(ValidationError, match="is not a time zone: write one like Asia/Dubai"):
            validate_time_zone(name)
