"""
``make mutants``: one session collects the tests, and each mutant is judged in a fork of it.

A fork has a database of its own, copied from the one that was migrated once, and runs the tests
that reach the mutant's function until one fails: first those that found a neighbour, then those of
the module itself, of its layer or of all, and the rest, of each the quickest first. A test that
needs far more processor time than it needed without a mutant is killed: that finds it as well.
"""

import fnmatch
import functools
import gc
import json
import math
import os
import shutil
import signal
import sys
from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from pathlib import Path

import pytest
from django.db import connection, connections
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state

# As mutmut writes them down.
SURVIVED, FOUND, UNTESTED, BY_THE_CLOCK = 0, 1, 33, 36


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what ``tests/mutating.py`` says."""
    parser.addoption("--mutants", action="append", help="Judge the mutants of these names.")
    parser.addoption("--children", type=int, default=1, help="Judge so many at once.")
    parser.addoption(
        "--seconds", type=float, default=math.inf, help="Of tests for each mutant, at most."
    )


def pytest_runtestloop(session: pytest.Session) -> bool:
    """Judge mutants instead of running the tests."""
    _Judge(session).judge(session.config.getoption("--mutants"))
    return True


@dataclass
class _Mutant:
    name: str
    notes: Path
    """Where mutmut keeps what became of it."""

    @property
    def function(self) -> str:
        return self.name.partition("__mutmut_")[0]

    @property
    def module(self) -> str:
        return ".".join(self.notes.with_name(self.notes.name.partition(".")[0]).parts)


class _Judge:
    def __init__(self, session: pytest.Session) -> None:
        self._session = session
        self._items = {item.nodeid: item for item in session.items}
        self._failed = ""
        self._found_by: dict[str, list[str]] = defaultdict(list)
        self._running: dict[int, tuple[_Mutant, int]] = {}
        self._caches = [it for it in gc.get_objects() if isinstance(it, type(functools.cache(id)))]
        session.config.pluginmanager.register(self)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed = report.nodeid

    def judge(self, patterns: list[str]) -> None:
        self._migrate()
        if connection.vendor != self._session.config.getoption("engine"):
            _say("There is no such engine here, so nothing is judged.")
            return
        self._reaching, self._seconds = self._who_reaches_what()
        mutants = [mutant for mutant, code in _mutants(patterns) if code in {None, 0, UNTESTED}]
        _say(f"\n{len(mutants)} mutants to judge.")
        gc.freeze()
        for number, mutant in enumerate(mutants, start=1):
            if tests := self._tests(mutant):
                self._begin(mutant, tests)
                if len(self._running) == self._session.config.getoption("--children"):
                    self._await()
            else:
                self._note(mutant, UNTESTED, "")
            if number % 100 == 0:
                _say(f"{number} of {len(mutants)}")
        while self._running:
            self._await()
        _tell(patterns)

    def _migrate(self) -> None:
        first = next(item for item in self._items.values() if item.get_closest_marker("django_db"))
        self._run(first)
        # A fork must not share a connection with its neighbours.
        connections.close_all()

    def _run(self, item: pytest.Item) -> None:
        # As if the session's end came next: nothing but the database is left standing, so that
        # any other test can follow.
        item.ihook.pytest_runtest_protocol(item=item, nextitem=self._session)

    def _who_reaches_what(self) -> tuple[dict[str, list[str]], dict[str, float]]:
        kept = Path(f"reached-{connection.vendor}.json")
        # A function that is new, or a test that was changed, is reached by who knows whom.
        code = [path.read_text() for top in ("credits", "tests") for path in _python(top)]
        of = sha256("".join([*self._items, *code]).encode()).hexdigest()
        if not kept.exists() or json.loads(kept.read_text())[0] != of:
            _say(f"\nWhich functions {len(self._items)} tests reach ...")
            if pid := os.fork():
                if os.waitpid(pid, 0)[1]:
                    pytest.exit("Nothing is judged.", returncode=1)
            else:
                self._in_a_fork(lambda: self._watch(of, kept))
        _, reached, seconds = json.loads(kept.read_text())
        reaching = defaultdict(list)
        for test, functions in reached.items():
            for function in functions:
                reaching[function].append(test)
        return reaching, seconds

    def _watch(self, of: str, kept: Path) -> int:
        set_mutant_under_test("stats")
        reached, seconds = {}, {}
        for test in self._items:
            state()._stats.clear()
            before = sum(os.times()[:2])
            self._run(self._items[test])
            if self._failed:
                os.write(2, f"{self._failed} fails without a mutant, too.\n".encode())
                return 1
            reached[test] = sorted(state()._stats)
            seconds[test] = sum(os.times()[:2]) - before
        kept.write_text(json.dumps([of, reached, seconds]))
        return 0

    def _tests(self, mutant: _Mutant) -> list[str]:
        found_by = self._found_by[mutant.function]
        *_, layer, module = mutant.module.split(".")
        tests = sorted(
            self._reaching[mutant.function],
            key=lambda test: (
                -found_by.index(test) - 1 if test in found_by else 0,
                f"/test_{module}.py" not in test,
                f"/{layer}/" not in test and "/credits/test_" not in test,
                self._seconds[test],
            ),
        )
        until = list(accumulate(map(self._seconds.__getitem__, tests)))
        limit = self._session.config.getoption("--seconds")
        return tests[: bisect(until, limit) + 1]

    def _begin(self, mutant: _Mutant, tests: list[str]) -> None:
        read, write = os.pipe()
        if pid := os.fork():
            os.close(write)
            self._running[pid] = mutant, read
        else:
            self._in_a_fork(lambda: self._try(mutant, tests, write))

    def _in_a_fork(self, act: Callable[[], int]) -> None:
        code = 3
        try:
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            _copy_database()
            for cache in self._caches:
                cache.cache_clear()
            code = act()
        finally:
            os._exit(code)

    def _try(self, mutant: _Mutant, tests: list[str], write: int) -> int:
        set_mutant_under_test(mutant.name)
        for test in tests:
            signal.setitimer(signal.ITIMER_PROF, 10 * self._seconds[test] + 5)
            # For one that waits for ever. By the wall's clock, which a busy machine slows down.
            signal.setitimer(signal.ITIMER_REAL, 60 * self._seconds[test] + 90)
            self._run(self._items[test])
            if self._failed:
                os.write(write, test.encode())
                return FOUND
        return SURVIVED

    def _await(self) -> None:
        pid, status = os.wait()
        mutant, read = self._running.pop(pid)
        with os.fdopen(read) as written:
            test = written.read()
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # What its tests have started.
        _drop_database(pid)
        code = os.waitstatus_to_exitcode(status)
        self._note(mutant, BY_THE_CLOCK if code < 0 else code, test)

    def _note(self, mutant: _Mutant, code: int, test: str) -> None:
        if test:
            found_by = self._found_by[mutant.function]
            if test in found_by:
                found_by.remove(test)
            found_by.append(test)
        if code in {SURVIVED, UNTESTED}:
            _say(f"{'survives' if code == SURVIVED else 'untested'}: {mutant.name}")
        notes = json.loads(mutant.notes.read_text())
        notes["exit_code_by_key"][mutant.name] = code
        mutant.notes.write_text(json.dumps(notes, indent=4))


def _mutants(patterns: list[str]) -> Iterator[tuple[_Mutant, int | None]]:
    for notes in sorted(Path("credits").rglob("*.meta")):
        for name, code in json.loads(notes.read_text())["exit_code_by_key"].items():
            if any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
                yield _Mutant(name, notes), code


def _python(top: str) -> list[Path]:
    return sorted(Path(top).rglob("*.py"))


def _tell(patterns: list[str]) -> None:
    counts: dict[str, Counter[int | None]] = defaultdict(Counter)
    for mutant, code in _mutants(patterns):
        counts[mutant.module][code] += 1
    _say("\n| module | mutants | found | by the clock | survive |\n|---|---|---|---|---|")
    for module, codes in counts.items():
        survive = codes[SURVIVED] + codes[UNTESTED]
        clock = codes[BY_THE_CLOCK]
        total = codes.total()
        _say(f"| {module} | {total} | {total - survive} | {clock or ''} | {survive or ''} |")


def _copy_database() -> None:
    name = connection.settings_dict["NAME"]
    copy = f"{name}_{os.getpid()}"
    if connection.vendor == "postgresql":
        _command(f'CREATE DATABASE "{copy}" TEMPLATE "{name}"')
    else:
        shutil.copy(name, copy)
    connection.settings_dict["NAME"] = copy


def _drop_database(pid: int) -> None:
    copy = f"{connection.settings_dict['NAME']}_{pid}"
    if connection.vendor == "postgresql":
        _command(f'DROP DATABASE IF EXISTS "{copy}" WITH (FORCE)')
    else:
        for left in Path(copy).parent.glob(f"{Path(copy).name}*"):
            left.unlink()


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def _command(sql: str) -> None:
    asked = connection.get_connection_params() | {"dbname": "postgres", "autocommit": True}
    with connection.Database.connect(**asked) as server:
        server.execute(sql)
