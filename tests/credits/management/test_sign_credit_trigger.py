"""manage.py sign_credit_trigger."""

import re
import shlex
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from credits.jobs.named import JobName
from tests.credits.triggering.conftest import SECRET

pytestmark = pytest.mark.django_db

COMMAND = "sign_credit_trigger"


@pytest.fixture(autouse=True)
def project(settings: Any) -> Any:
    settings.CREDITS = settings.CREDITS | {
        "TRIGGER_SECRET": SECRET,
        "TRIGGER_JOBS": ["expire_credits"],
        "SITE_URL": "https://homezy.example",
    }
    return settings


class TestLine:
    def test_opens_the_door(self, manage, client: Client):
        line = manage(COMMAND, "expire_credits", "--status").out

        curl, _, method, _, header, url = shlex.split(line)
        assert (curl, method) == ("curl", "GET")
        path = reverse("credits:job", args=["expire_credits"])
        assert url == f"https://homezy.example{path}"
        name, _, key = header.partition(": ")
        assert client.get(path, headers={name: key}).status_code == 200

    def test_starts_a_job(self, manage):
        line = manage(COMMAND, "expire_credits").out

        path = reverse("credits:trigger", args=["expire_credits"])
        assert re.fullmatch(
            rf'curl -X POST -H "Authorization: Bearer \d+\.[0-9a-f]{{64}}"'
            rf" https://homezy\.example{path}\n",
            line,
        )


class TestRefusal:
    @pytest.mark.parametrize(
        ("change", "job", "code", "sentence"),
        [
            pytest.param(
                {}, "flush", 2, f"“flush” is no job; write {' or '.join(JobName)}.", id="no job"
            ),
            pytest.param(
                {},
                "reset_monthly_credits",
                1,
                'Requests may not start reset_monthly_credits: add it to CREDITS["TRIGGER_JOBS"].',
                id="not on the list",
            ),
            pytest.param(
                {"TRIGGER_SECRET": ""},
                "expire_credits",
                1,
                'CREDITS["TRIGGER_SECRET"] is not set; python -c "import secrets;'
                ' print(secrets.token_urlsafe(48))" makes one.',
                id="no secret",
            ),
            pytest.param(
                {"SITE_URL": ""},
                "expire_credits",
                1,
                'CREDITS["SITE_URL"] is not set: where is the site reached?',
                id="no site",
            ),
        ],
    )
    def test_is_one_sentence(
        self, manage, settings: Any, change: dict[str, str], job: str, code: int, sentence: str
    ):
        settings.CREDITS = settings.CREDITS | change

        answer = manage(COMMAND, job)

        assert (answer.code, answer.out) == (code, "")
        assert answer.err == f"CommandError: {sentence}\n"

    def test_names_what_the_urls_leave_out(self, manage, settings: Any):
        settings.ROOT_URLCONF = "django.contrib.auth.urls"

        answer = manage(COMMAND, "expire_credits")

        assert answer.err == "CommandError: The project's URLs leave out credits.urls.\n"
