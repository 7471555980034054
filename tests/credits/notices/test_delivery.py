"""
Nothing lost and nothing twice, whatever fails: the short form of ``python -m proof.notices``.

Real sockets, and senders that are killed with SIGKILL in the middle of a request.
"""

import pytest

from proof.mail_services import SERVICES
from proof.notices import experiment, verdict

pytestmark = pytest.mark.django_db(transaction=True)

SEED = 42


@pytest.mark.parametrize("service", SERVICES)
def test_a_failing_service_loses_and_doubles_nothing(service):
    result = experiment(service, notices=40, seed=SEED, in_processes=False)

    assert verdict([result]) == []
    assert result.faults


@pytest.mark.parametrize("service", ["smtp", "resend"])
def test_a_killed_sender_loses_and_doubles_nothing(service):
    result = experiment(service, notices=20, kills=1, seed=SEED)

    assert verdict([result]) == []
    assert result.kills


def test_the_control_sends_mails_twice():
    result = experiment(
        "mailgun",
        sender="naive",
        notices=20,
        kills=1,
        seed=SEED,
        most_rounds=3,
    )

    assert result.kills
    assert result.twice > 0
