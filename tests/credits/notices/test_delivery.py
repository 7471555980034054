"""
Nothing lost and nothing twice, whatever fails: the short form of ``python -m proof.notices``.

Real sockets, and senders that are killed with SIGKILL in the middle of a request.
"""

import pytest

from proof.mail_services import SERVICES
from proof.notices import experiment, verdict

pytestmark = pytest.mark.django_db(transaction=True)

SEED = 42


KILLED = ["smtp", "resend"]

# How a service fails is the same on every engine.
FAILING = [
    *KILLED,
    *(
        pytest.param(service, marks=pytest.mark.engine("postgresql"))
        for service in SERVICES
        if service not in KILLED
    ),
]


@pytest.mark.parametrize("service", FAILING)
def test_a_failing_service_loses_and_doubles_nothing(service):
    result = experiment(service, notices=24, seed=SEED, in_processes=False)

    assert verdict([result]) == []
    assert result.faults


@pytest.mark.parametrize("service", KILLED)
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
