"""The wheel, in a project that has never heard of Homezy: nothing but Django and what it brings."""

import os
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from email import message_from_string
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from packaging.metadata import Metadata

ROOT = Path(__file__).resolve().parent.parent.parent

EXTRAS = {
    *("anymail", "celery", "chat", "cron", "google", "json-logs", "metrics", "mongo-import"),
    *("mariadb", "postgres", "sentry", "unfold"),
}

NEEDS = {
    "credits.management.cron_zone": "cronsim",
    "credits.management.crontab": "cronsim",
    "credits.monitoring.metrics": "prometheus_client",
    "credits.notices.backends": "anymail",
    "credits.notices.ses": "anymail",
    "credits.tasks": "celery",
}
"""Modules of an extra, and what they want; all others need the core alone."""

SETTINGS = """
INSTALLED_APPS += ["credits"]
DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE"}
CREDITS = {"ELIGIBLE_PROFESSIONALS": "shop.people.sellers", "MONTHLY_FREE_CREDITS": 20}
"""

PEOPLE = """
from django.contrib.auth import get_user_model

def sellers():
    return get_user_model().objects.filter(is_active=True, is_staff=False)
"""

URLS = """
from django.urls import include
urlpatterns += [path("credits/", include("credits.urls"))]
"""

IMPORT_ALL = """
import importlib, pkgutil, credits
for module in pkgutil.walk_packages(credits.__path__, "credits."):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        print(f"{module.name} {error.name}")
"""

HELP_OF_ALL = """
import contextlib, io
from django.core.management import call_command, get_commands
for name in sorted(name for name, app in get_commands().items() if app == "credits"):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        call_command(name, "--help")
    print(name)
"""

SELL = """
from django.contrib.auth.models import User
for name in ("aisha", "omar", "sara"):
    User.objects.create_user(name)
User.objects.create_user("boss", is_staff=True)
"""


@dataclass(frozen=True)
class Project:
    """A project of its own, in an environment of its own."""

    directory: Path
    python: Path

    def run(self, *arguments: str) -> str:
        """Run Python there, warnings as errors; return what it said."""
        done = subprocess.run(
            [self.python, "-W", "error", *arguments],
            cwd=self.directory,
            # Nothing of this process's: neither its settings nor its path.
            env={"PATH": os.environ["PATH"], "NO_COLOR": "1"},
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def manage(self, *arguments: str) -> str:
        """Run a command of the project."""
        return self.run("manage.py", *arguments)

    def shell(self, code: str) -> list[str]:
        """Run lines in the project's shell; return the lines that they print."""
        return self.manage("shell", "-v", "0", "-c", code).splitlines()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", directory],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (built,) = directory.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def project(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    directory = tmp_path_factory.mktemp("stranger")
    venv.create(directory / "venv", with_pip=False, symlinks=True)
    python = directory / "venv" / "bin" / "python"
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", wheel],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if installed.returncode:
        reason = f"No package index to install Django from: {installed.stderr.strip()[-300:]}"
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    place = Project(directory, python)
    place.run("-m", "django", "startproject", "shop", ".")
    (directory / "shop" / "people.py").write_text(PEOPLE, "utf-8")
    for name, text in (("settings", SETTINGS), ("urls", URLS)):
        with (directory / "shop" / f"{name}.py").open("a", encoding="utf-8") as file:
            file.write(text)
    place.manage("migrate", "-v", "0")
    return place


@pytest.mark.engine("sqlite")
class TestWheel:
    def test_holds_the_package_and_nothing_else(self, wheel: Path):
        names = zipfile.ZipFile(wheel).namelist()

        tops = {name.split("/")[0] for name in names}
        assert tops == {"credits", f"{wheel.name.rsplit('-', 3)[0]}.dist-info"}
        assert {
            "credits/py.typed",
            "credits/migrations/0001_initial.py",
            "credits/locale/ar/LC_MESSAGES/django.mo",
            "credits/static/credits/admin.css",
        } <= set(names)

    def test_keeps_its_templates_and_static_files_under_its_name(self, wheel: Path):
        for name in zipfile.ZipFile(wheel).namelist():
            for kind in ("templates", "static"):
                if name.startswith(f"credits/{kind}/"):
                    parts = name.split("/")
                    # What Django's admin looks for stands where it looks.
                    own = parts[3] if parts[2] == "admin" else parts[2]
                    assert own == "credits", name

    def test_says_of_itself_what_an_index_wants_to_know(self, wheel: Path):
        (text,) = (
            zipfile.ZipFile(wheel).read(name).decode()
            for name in zipfile.ZipFile(wheel).namelist()
            if name.endswith(".dist-info/METADATA")
        )

        metadata = Metadata.from_email(text)

        assert set(metadata.provides_extra or []) == EXTRAS
        core = [str(need) for need in metadata.requires_dist or [] if not need.marker]
        assert {need.split(">")[0].split("<")[0] for need in core} == {
            *("django", "python-dateutil", "stamina")
        }
        assert metadata.description_content_type == "text/markdown"
        assert "<h1>credits</h1>" in MarkdownIt().render(
            str(message_from_string(text).get_payload())
        )


@pytest.mark.engine("sqlite")
class TestAProjectOfItsOwn:
    def test_is_content(self, project: Project):
        assert project.manage("check") == "System check identified no issues (0 silenced).\n"
        assert "No changes" in project.manage("makemigrations", "--check", "--dry-run")

    def test_has_every_command_without_any_extra(self, project: Project):
        commands = ROOT / "credits" / "management" / "commands"

        helped = project.shell(HELP_OF_ALL)

        assert helped == sorted(path.stem for path in commands.glob("[a-z]*.py"))

    def test_imports_all_but_what_an_extra_is_for(self, project: Project):
        missing = dict(line.split() for line in project.shell(IMPORT_ALL))

        assert missing == NEEDS

    @pytest.mark.parametrize(
        ("order", "told"),
        [
            (["credit_metrics"], 'pip install "django-credits-ledger[metrics]"'),
            (["install_crontab"], 'Add "django_crontab" to INSTALLED_APPS'),
        ],
        ids=lambda value: value[0] if isinstance(value, list) else "",
    )
    def test_says_what_to_install_for_the_rest(self, project: Project, order: list[str], told: str):
        with pytest.raises(AssertionError) as refused:
            project.manage(*order)

        assert told in str(refused.value)
        assert "Traceback" not in str(refused.value)

    def test_sees_its_own_numbers(self, project: Project):
        project.shell(SELL)

        foreseen = project.manage("reset_monthly_credits", "--dry-run").splitlines()
        project.manage("reset_monthly_credits")

        assert foreseen[:2] == [
            "Found 3 verified professionals for credit reset",
            "Monthly credit reset would be: total 3, succeeded 3, failed 0, credits +60"
            " (dry run, nothing written)",
        ]
        assert "invariants hold" in project.manage("verify_credits")
