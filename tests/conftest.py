from collections.abc import Callable, Generator, Iterator
from contextlib import nullcontext
from unittest import mock

import pytest
import stamina
from django.db import connection, connections
from django.test import TransactionTestCase
from django.utils import translation
from hypothesis import settings as hypothesis_settings
from pytest_django import Settings
from pytest_django.plugin import blocking_manager_key

from tests.flushing import empty_if_anything_stayed, empty_tables

# The same examples every time: a suite that fails only now and then is believed by nobody. To look
# further: pytest --hypothesis-profile=thorough tests/credits/test_model.py
hypothesis_settings.register_profile("suite", derandomize=True, database=None, deadline=None)
hypothesis_settings.register_profile("thorough", max_examples=2_000, deadline=None)
hypothesis_settings.load_profile("suite")


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Try again as often as in earnest, without the pauses between."""
    with stamina.set_testing(True, attempts=6, cap=True):
        yield


@pytest.fixture(autouse=True, scope="session")
def quick_flush() -> Iterator[None]:
    """Let transactional tests be flushed: the ledger's triggers refuse Django's TRUNCATE."""
    with mock.patch.object(TransactionTestCase, "_fixture_teardown", staticmethod(empty_tables)):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, None, None]:
    """Look what a test has left on MariaDB, once its own transaction is rolled back."""
    yield
    has_database = item.get_closest_marker("django_db") or "db" in item.fixturenames
    # Behind the last of all the database is gone.
    if nextitem and has_database and connection.vendor == "mysql":
        with item.config.stash[blocking_manager_key].unblock():
            empty_if_anything_stayed()


@pytest.fixture(autouse=True, scope="session")
def no_look_at_every_row() -> Iterator[None]:
    """MariaDB checks foreign keys at once; Django would ask for each key of each table."""
    look = nullcontext()
    if connection.vendor == "mysql":
        look = mock.patch.object(type(connections["default"]), "check_constraints")
    with look:
        yield


@pytest.fixture
def allow(settings: Settings) -> Callable[[object], None]:
    """Return what lets the project say how many free credits a month gives."""

    def say(amount: object) -> None:
        settings.CREDITS = settings.CREDITS | {"MONTHLY_FREE_CREDITS": amount}

    return say


@pytest.fixture(autouse=True)
def no_language_left() -> Iterator[None]:
    """Forget the language that a request switched to: Django does so only before the next one."""
    yield
    translation.deactivate()
