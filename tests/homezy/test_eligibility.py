"""homezy.eligibility: who gets free credits each month."""

import pytest

from homezy.eligibility import verified_professionals
from homezy.models import Role, User, Verification

pytestmark = pytest.mark.django_db


def make_user(role, verification, **fields):
    return User.objects.create_user(
        "aisha@example.com", role=role, verification=verification, **fields
    )


class TestVerifiedProfessionals:
    @pytest.mark.parametrize("verification", [Verification.BASIC, Verification.COMPREHENSIVE])
    def test_are_professionals_with_checked_papers(self, verification):
        aisha = make_user(Role.PRO, verification)

        assert list(verified_professionals()) == [aisha]

    @pytest.mark.parametrize(
        "verification", [Verification.UNVERIFIED, Verification.PENDING, Verification.REJECTED]
    )
    def test_are_not_those_with_unchecked_papers(self, verification):
        make_user(Role.PRO, verification)

        assert not verified_professionals().exists()

    @pytest.mark.parametrize("role", [Role.GUEST, Role.HOMEOWNER, Role.ADMIN])
    def test_are_not_others_however_verified(self, role):
        make_user(role, Verification.COMPREHENSIVE)

        assert not verified_professionals().exists()

    def test_are_not_those_who_left(self):
        make_user(Role.PRO, Verification.BASIC, is_active=False)

        assert not verified_professionals().exists()

    def test_are_named_in_the_settings(self, settings):
        path = settings.CREDITS["ELIGIBLE_PROFESSIONALS"]

        assert path == f"{verified_professionals.__module__}.{verified_professionals.__name__}"
