"""
``pytest --engine=sqlite|postgresql|mariadb``: the suite on one engine, from nothing to nothing.

``@pytest.mark.engine("postgresql")`` says that a test makes sense on that engine alone.

Where a server cannot be started its tests are skipped with the reason; under
``REQUIRE_SERVICES=1``, which CI sets, that is an error instead.
"""

import atexit
import os
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from pathlib import Path

import pytest

from tests.plugins.mariadb import throwaway_mariadb
from tests.plugins.postgres import throwaway_cluster
from tests.plugins.servers import ServerUnavailable

_unavailable = pytest.StashKey[str]()


@cache
def _directory() -> Path:
    # One for each process: two may run in one tree at the same time, and a second session in one
    # process (mutmut's) finds the settings already read. A fork leaves without cleaning up.
    directory = tempfile.TemporaryDirectory(prefix="credits-sqlite-")
    atexit.register(directory.cleanup)
    return Path(directory.name)


@contextmanager
def _sqlite() -> Iterator[str]:
    yield f"sqlite:///{_directory() / 'credits.sqlite3'}"


ENGINES: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "sqlite": _sqlite,
    "postgresql": throwaway_cluster,
    "mariadb": throwaway_mariadb,
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--engine``."""
    parser.addoption(
        "--engine",
        choices=sorted(ENGINES),
        default="sqlite",
        help="The database that the tests run on (default: sqlite).",
    )


# A wrapper, because pytest-django's own hook is already a tryfirst one and reads the settings,
# hence DATABASE_URL, in it.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    """Start the engine and name it in ``DATABASE_URL`` before anything reads the settings."""
    stack = ExitStack()
    # Called on every way out: a failure, a usage error, Ctrl-C.
    early_config.add_cleanup(stack.close)
    engine = early_config.known_args_namespace.engine
    try:
        url = stack.enter_context(ENGINES[engine]())
    except ServerUnavailable as error:
        if os.environ.get("REQUIRE_SERVICES") == "1":
            raise pytest.UsageError(f"--engine={engine}: {error}") from error
        early_config.stash[_unavailable] = str(error)
        # Django still wants a database to be configured; no test will touch it.
        url = stack.enter_context(_sqlite())
    os.environ["DATABASE_URL"] = url
    return (yield)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers", "engine(name): a test for this engine alone; left out of the others' sessions."
    )


def pytest_report_header(config: pytest.Config) -> str:
    """Say which engine this is."""
    return f"engine: {config.getoption('engine')}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of the other engines."""
    engine = config.getoption("engine")
    config.hook.pytest_deselected(items=[item for item in items if not _is_for(item, engine)])
    items[:] = [item for item in items if _is_for(item, engine)]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip every test where the engine could not be started: one line in the summary."""
    if reason := item.config.stash.get(_unavailable, None):
        pytest.skip(reason)


def _is_for(item: pytest.Item, engine: str) -> bool:
    marker = item.get_closest_marker("engine")
    return marker is None or engine in marker.args
