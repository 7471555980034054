"""
``make matrix``: the tests on each Python, Django and engine that credits is said to run on.

Versions come from requirements-dev.txt, all but Django's own, which uv is told to override. A cell
is about ``credits``, the package: SELECTION is its own tests, two projects that have it installed
and the demo. What turns on no version is left to ``make test``: this repository's own settings and
project, which run on the Django of requirements.txt; clouds, containers, browser, documentation,
benchmarks and the rehearsal of proof/; and the wheel, which is put beside the newest Django there
is, whatever the cell's. Some tests alone::

    nox -t extremes            # the newest of all on every engine, and the ends of the rest
    nox -s "tests(3.13-django6.1-sqlite)" -- tests/credits/ledger
"""

import os
import shutil
import subprocess
from pathlib import Path

import nox

nox.needs_version = ">=2026.4"
nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = True

DJANGOS = {"3.11": ["5.2"], "3.12": ["5.2", "6.0", "6.1"], "3.13": ["5.2", "6.0", "6.1"]}
"""What each Python can have: Django 6 asks for Python 3.12."""

ENGINES = ["sqlite", "postgresql", "mariadb"]

EXTREMES = {
    ("3.13", "6.1", "sqlite"),
    ("3.13", "6.1", "postgresql"),
    ("3.13", "6.1", "mariadb"),
    ("3.12", "6.0", "sqlite"),
    ("3.13", "5.2", "sqlite"),
}

SELECTION = [
    "tests/credits",
    "tests/packaging",
    "--ignore=tests/packaging/test_wheel.py",
    "tests/homezy/test_demo.py",
]

# uv would fetch a Python that is missing, from elsewhere; and pyenv's shims answer only for the
# versions that are switched on, so all that are installed are.
os.environ.setdefault("UV_PYTHON_DOWNLOADS", "never")
if pyenv := shutil.which("pyenv"):
    installed = subprocess.run(  # noqa: S603  its path is the one that was looked up
        [pyenv, "versions", "--bare"], capture_output=True, text=True, check=True
    )
    # Set already where something above us is a shim: to one version, and then no other is found.
    os.environ["PYENV_VERSION"] = ":".join(installed.stdout.split())


@nox.session
@nox.parametrize(
    "python,django,engine",
    [
        nox.param(
            python,
            django,
            engine,
            id=f"{python}-django{django}-{engine}",
            tags=["extremes"] if (python, django, engine) in EXTREMES else [],
        )
        for python, djangos in DJANGOS.items()
        for django in djangos
        for engine in ENGINES
    ],
)
def tests(session: nox.Session, django: str, engine: str) -> None:
    """Run the tests on one combination, with warnings as errors."""
    override = Path(session.create_tmp(), "django.txt")
    override.write_text(f"Django=={django}.*\n")
    needed = ["--requirements", "requirements-dev.txt"]
    if engine == "mariadb":
        needed += ["--requirements", "requirements-mariadb.txt"]
    session.install(*needed, "--override", str(override))
    session.run("pytest", "-q", f"--engine={engine}", *(session.posargs or SELECTION))
