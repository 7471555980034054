"""manage.py create_credit_groups."""

import pytest
from django.contrib.auth.models import Group, Permission

pytestmark = pytest.mark.django_db

COMMAND = "create_credit_groups"


def permissions_of(name: str) -> set[str]:
    return set(Group.objects.get(name=name).permissions.values_list("codename", flat=True))


class TestGroups:
    def test_are_made_with_their_permissions(self, manage):
        answer = manage(COMMAND)

        assert answer.code == 0
        assert answer.out == (
            "Created the group Credits support with 16 permissions.\n"
            "Created the group Credits finance with 15 permissions.\n"
        )
        assert {"grant_credits", "refund_credits", "extend_credits"} <= permissions_of(
            "Credits support"
        )
        assert {"adjust_credits", "export_credits", "run_credit_jobs"} <= permissions_of(
            "Credits finance"
        )

    def test_are_apart(self, manage):
        manage(COMMAND)

        both = permissions_of("Credits support") & permissions_of("Credits finance")
        assert all(codename.startswith("view_") for codename in both)

    def test_are_left_alone_the_second_time(self, manage):
        manage(COMMAND)

        assert manage(COMMAND).out == (
            "The group Credits support has all its permissions.\n"
            "The group Credits finance has all its permissions.\n"
        )

    def test_keep_what_was_given_by_hand_and_get_what_was_taken(self, manage):
        manage(COMMAND)
        support = Group.objects.get(name="Credits support")
        support.permissions.add(Permission.objects.get(codename="adjust_credits"))
        support.permissions.remove(Permission.objects.get(codename="grant_credits"))

        assert manage(COMMAND).out.startswith(
            "Gave the group Credits support what it lacked: grant_credits.\n"
        )
        assert {"adjust_credits", "grant_credits"} <= permissions_of("Credits support")

    def test_wait_for_the_permissions(self, manage):
        Permission.objects.get(codename="run_credit_jobs").delete()

        answer = manage(COMMAND)

        assert (answer.code, answer.err) == (
            1,
            "CommandError: The permission run_credit_jobs does not exist: run manage.py migrate"
            " first.\n",
        )
        assert not Group.objects.exists()
