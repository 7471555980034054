from collections.abc import Iterator

import pytest
import stamina
from django.utils import translation
from hypothesis import settings

from credits.engine import triggers

# The same examples every time: a suite that fails only now and then is believed by nobody. To look
# further: pytest --hypothesis-profile=thorough tests/credits/test_model.py
settings.register_profile("suite", derandomize=True, database=None, deadline=None)
settings.register_profile("thorough", max_examples=2_000, deadline=None)
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Try again as often as in earnest, without the pauses between."""
    with stamina.set_testing(True, attempts=6, cap=True):
        yield


@pytest.fixture(autouse=True)
def flushable_ledger(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let a transactional test be flushed: the ledger's triggers refuse the TRUNCATE otherwise."""
    marker = request.node.get_closest_marker("django_db")
    transactional = "transactional_db" in request.fixturenames or (
        marker is not None and marker.kwargs.get("transaction", False)
    )
    if transactional:
        request.getfixturevalue("transactional_db")
    yield
    if transactional:
        # The flush sends post_migrate, which puts them back.
        triggers.drop(using="default")


@pytest.fixture(autouse=True)
def no_language_left() -> Iterator[None]:
    """Forget the language that a request switched to: Django does so only before the next one."""
    yield
    translation.deactivate()
