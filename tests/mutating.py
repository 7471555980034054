"""
``make mutants``: break the code in small ways, one at a time, and say which break no test notices.

mutmut makes the mutants, and shows them: ``mutmut show NAME``, ``mutmut results``. The tests are
run by ``tests/plugins/mutants.py``, on SQLite and then, for what survives there, on PostgreSQL.
What was found stays found: the second time only the rest is judged. ``rm -r mutants`` begins anew.
"""

import argparse
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import libcst as cst
from mutmut import __main__ as mutmut
from mutmut.configuration import config
from mutmut.mutation.file_mutation import MutatedFile, mutate_file_contents
from mutmut.utils.file_utils import copy_also_copy_files, copy_src_dir

ENGINES = ["sqlite", "postgresql"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="make mutants")
    parser.add_argument("patterns", nargs="*", help="of mutants' names: credits.ledger.*")
    parser.add_argument("--children", type=int, default=1, help="mutants judged at once")
    parser.add_argument("--seconds", default="inf", help="of tests for each mutant, at most")
    parser.add_argument(
        "--tests", nargs="+", help="files of tests to judge by (default: all of credits' layers)"
    )
    parser.add_argument("--engine", choices=ENGINES, action="append", help="this one alone")
    asked = parser.parse_args()
    _make()
    for engine in asked.engine or ENGINES:
        command = [sys.executable, "-m", "pytest", "-s", f"--engine={engine}"]
        command += [f"--mutants={pattern}" for pattern in asked.patterns or ["*"]]
        command += [f"--children={asked.children}", f"--seconds={asked.seconds}"]
        command += config().pytest_add_cli_args
        command += asked.tests or config().pytest_add_cli_args_test_selection
        if code := subprocess.call(command, cwd="mutants"):
            sys.exit(code)


def _make() -> None:
    mutmut.mutate_file_contents = _mutate
    Path("mutants").mkdir(exist_ok=True)
    with redirect_stdout(StringIO()):
        copy_src_dir()
        copy_also_copy_files()
        mutmut.create_mutants(1)


def _mutate(filename: str, code: str, *lines: Any) -> MutatedFile:
    module = cst.parse_module(code)
    body = [part for statement in module.body for part in _undecorated(statement)]
    return mutate_file_contents(filename, module.with_changes(body=body).code, *lines)


def _undecorated(statement: cst.BaseStatement, *, in_class: bool = False) -> list[Any]:
    """mutmut leaves a decorated function alone, so it is decorated on a line of its own instead."""
    if isinstance(statement, cst.ClassDef):
        inside = [part for it in statement.body.body for part in _undecorated(it, in_class=True)]
        return [statement.with_deep_changes(statement.body, body=inside)]
    if not isinstance(statement, cst.FunctionDef) or not statement.decorators:
        return [statement]
    name = decorated = statement.name.value
    for decorator in reversed(statement.decorators):
        code = cst.Module([]).code_for_node(decorator.decorator)
        if in_class or isinstance(decorator.decorator, cst.Call):
            decorated = f"{code}({decorated})"
        else:
            # Anew at each call: a mutant of the decorator itself is chosen long after the import.
            decorated = (
                f"__import__('functools').wraps({name})(lambda *args, _plain={decorated},"
                f" **named: {code}(_plain)(*args, **named))"
            )
    return [
        statement.with_changes(decorators=[]),
        cst.parse_statement(f"{name} = {decorated}"),
    ]


if __name__ == "__main__":
    main()
