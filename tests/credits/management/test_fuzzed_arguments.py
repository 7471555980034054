"""
Every command, with words that nobody would type: it does something, or refuses in one sentence.

Commands are found, not listed: a new one is asked too. Whatever has a --dry-run is given it, so
that what a command does outside of the database it does not do here.
"""

import os
import re
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from io import BytesIO, StringIO, TextIOWrapper

import pytest
from django.apps import apps
from django.core.management import get_commands, load_command_class
from django.core.management.base import CommandError
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.credits.management.conftest import Answer
from tests.factories import AUGUST, make_professional
from tests.homezy.importing.original import Original

pytestmark = pytest.mark.django_db

NOT_ASKED = {
    "demo": "takes no words of its own, and without any it migrates and imports a year of data",
}
COMMANDS = sorted(
    name
    for name, app in get_commands().items()
    if app in {"credits", "homezy"} and name not in NOT_ASKED
)

USAGE = 2
"""What argparse leaves with."""

# About Django's own working, not about credits; two of them import what they are given.
DJANGOS = {"--help", "--settings", "--pythonpath", "--traceback", "--force-color", "--no-color"}

# What nearly makes sense goes deeper than what makes none.
NEARLY = [
    *("", " ", "-", "--", "0", "1", "-1", "1.5", "1e3", "١٢", "²", "9" * 18, "9" * 19, "9" * 5000),
    *("2026-03", "2026-13", "0000-01", "9999-12", "2026-03-01", "2026-02-30", "2026-03-01T00:01Z"),
    *("0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00", "2026-03-01T00:01:99", "1e400", "NaN"),
    *("aisha@example.com", "@", "a@b", "%", "_", "'; --", "None", "true", "[]", "{}", "export"),
    *("ar", "en", "zz", "expiry_warning", "reset", "run_failure", "expire_credits", "~"),
    *("/dev/null/x", "/dev/full", "missing", "a" * 300, "a/" * 3000, "\udcff", "\u202e", "\n"),
    *("mongodb://", "mongodb://%zz", "a:b@c:d", "mongodb+srv://", "\x1b[31m"),
]
# What the system can hand over as a word: no NUL, and bytes that are not UTF-8 as half surrogates.
# None that a command could take for a place outside of the test's own directory.
WORDS = st.one_of(
    st.sampled_from(NEARLY),
    st.binary(max_size=30).map(lambda word: os.fsdecode(word.translate(None, b"\0/"))),
)


def parser_of(name):
    command = load_command_class(get_commands()[name], name)
    # As from a shell: argparse then leaves with its usage instead of raising.
    command._called_from_command_line = True  # noqa: SLF001
    return command, command.create_parser("manage.py", name)


def has_dry_run(name):
    return "--dry-run" in parser_of(name)[1]._option_string_actions  # noqa: SLF001


@cache
def asked(name):
    """Return a strategy of what is typed after a command's name."""
    typed = [
        _typed(action)
        for action in parser_of(name)[1]._actions  # noqa: SLF001  argparse has no other list
        if not DJANGOS.intersection(action.option_strings)
    ]
    parts = st.lists(st.one_of(*typed, WORDS.map(lambda word: [word])), max_size=4)
    return parts.map(lambda parts: [word for part in parts for word in part])


def _typed(action):
    option = st.sampled_from(action.option_strings or [""])
    if action.nargs == 0:
        return option.map(lambda option: [option])
    words = st.one_of(WORDS, *(st.just(str(choice)) for choice in action.choices or ()))
    if not action.option_strings:
        return words.map(lambda word: [word])
    return st.one_of(
        st.tuples(option, words).map(list),
        st.tuples(option, words).map(lambda two: ["=".join(two)]),
    )


def call(name, words):
    """Call it as manage.py does, with a terminal that takes UTF-8 alone and nobody at it."""
    out = TextIOWrapper(BytesIO(), encoding="utf-8")
    err = TextIOWrapper(BytesIO(), encoding="utf-8", errors="backslashreplace")
    code = 0
    with redirect_stdout(out), redirect_stderr(err):
        command, parser = parser_of(name)
        try:
            options = vars(parser.parse_args(words))
            command.execute(*options.pop("args", ()), **options)
        except CommandError as error:
            code = error.returncode
            err.write(f"CommandError: {error}\n")
        except SystemExit as left:
            code = left.code
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    return Answer(code, *texts)


def exit_codes(name):
    """Return the codes that a command's help lists; of one that lists none, Django's."""
    table = getattr(parser_of(name)[0], "exit_codes", "  1  ")
    return {0, USAGE} | {int(code) for code in re.findall(r" {2,}(\d+)  ", table)}


def tables():
    return {
        model._meta.db_table: sorted(model._base_manager.values_list(), key=repr)
        for model in apps.get_models()
    }


@contextmanager
def undone():
    """Take back what is written; yield a question: did anything that was written stay?"""
    before = []

    def watch(execute, sql, params, many, context):
        # Only who writes is worth reading all tables for.
        if not before and sql.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE")):
            before.append(None)
            before[0] = tables()
        return execute(sql, params, many, context)

    block = transaction.atomic()
    # So that a job may open its own, which must be the outermost.
    block._from_testcase = True  # noqa: SLF001
    with block, connection.execute_wrapper(watch):
        yield lambda: bool(before) and tables() != before[0]
        transaction.set_rollback(True)


@pytest.fixture
def marketplace(clock, monkeypatch, tmp_path):
    """Stand in a directory with an export, a year after some people came."""
    make_professional(free=30, paid=50, email="aisha@example.com")
    make_professional(free=130)
    (tmp_path / "export").mkdir()
    export = Original()
    export.professional().bonus(10)
    export.write(tmp_path / "export")
    clock(AUGUST)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", StringIO())
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
class TestACommand:
    @given(data=st.data())
    @settings(
        # Of every command: a third of what the profile says is hundreds in all.
        max_examples=settings().max_examples // 3,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    def test_does_it_or_refuses_in_a_sentence(self, marketplace, name, data):
        words = ["--dry-run"] * has_dry_run(name) + data.draw(asked(name), label="words")
        files = sorted(marketplace.rglob("*"))

        with undone() as something_stays:
            answer = call(name, words)
            has_written = something_stays()

        assert answer.code in exit_codes(name)
        if answer.code:
            assert len(re.findall("^CommandError: |: error: ", answer.err, re.MULTILINE)) == 1
            assert sorted(marketplace.rglob("*")) == files
        if answer.code or has_dry_run(name):
            assert not has_written


class TestNotAsked:
    def test_names_commands_that_there_are(self):
        assert set(NOT_ASKED) <= set(get_commands())
