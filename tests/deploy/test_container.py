"""deploy/container: an image whose admin has its styles, and services that are shut in."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urljoin

import pytest
import yaml

from settings.environment import BASE_DIR
from tests.deploy.schedules import SECRET, assert_understood
from tests.processes import TIMEOUT

pytestmark = pytest.mark.engine("postgresql")  # The image is the same for either.

DIRECTORY = Path(BASE_DIR, "deploy", "container")
CONTAINERFILE = DIRECTORY / "Containerfile"
COMPOSE = DIRECTORY / "compose.yaml"
SERVICES = yaml.safe_load(COMPOSE.read_text())["services"]
OURS = ["migrate", "web", "worker", "beat"]
BIN = Path(sys.executable).parent

PRODUCTION = {
    "DJANGO_SECRET_KEY": "correct-horse-battery-staple-0123456789-abcdefghijklmnop",
    "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
    "EMAIL_SERVICE": "smtp",
    "DEFAULT_FROM_EMAIL": "credits@credits.example",
    "SITE_URL": "https://credits.example",
    "TRUST_X_FORWARDED_PROTO": "yes",
}


def instructions(word: str) -> list[str]:
    """Return what the Containerfile says after each ``word``, each on one line."""
    text = CONTAINERFILE.read_text().replace("\\\n", " ")
    return re.findall(rf"^{word} (.*)$", text, re.MULTILINE)


def get(url: str) -> str:
    """Ask as a browser does that a proxy with HTTPS stands before."""
    request = urllib.request.Request(url, headers={"X-Forwarded-Proto": "https"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


def files(directory: Path) -> set[Path]:
    return set(directory.rglob("*"))


@pytest.fixture
def image(tmp_path):
    """Return a directory with what the image holds: the context, and what its last RUN made."""
    root = tmp_path / "homezy"
    for name in re.findall("^!(.+)$", Path(BASE_DIR, ".dockerignore").read_text(), re.MULTILINE):
        source = Path(BASE_DIR, name)
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / name)
    subprocess.run(
        ["/bin/sh", "-c", instructions("RUN")[-1]],
        cwd=root,
        env=environment(),
        check=True,
        capture_output=True,
    )
    return root


def environment(**more: str) -> dict[str, str]:
    (line,) = instructions("ENV")
    told = dict(pair.split("=", 1) for pair in shlex.split(line))
    return told | {"PATH": f"{BIN}:{os.environ['PATH']}"} | more


class TestImage:
    def test_is_written_as_hadolint_would(self):
        done = subprocess.run(
            [BIN / "hadolint", "--failure-threshold=style", CONTAINERFILE],
            capture_output=True,
            text=True,
            check=False,
        )

        assert (done.returncode, done.stdout) == (0, "")

    def test_starts_from_a_version_and_runs_as_a_number_that_is_not_root(self):
        assert {re.sub(" AS .*", "", line) for line in instructions("FROM")} == {
            "python:3.13.12-slim-bookworm"
        }
        assert instructions("USER") == ["10001:10001"]

    def test_serves_the_admin_with_its_styles_and_writes_nothing(self, image, tmp_path):
        before = files(image)
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            address = "{}:{}".format(*found.getsockname())
        (command,) = instructions("CMD")
        words = [word.replace("0.0.0.0:8000", address) for word in yaml.safe_load(command)]

        with subprocess.Popen(
            words,
            cwd=image,
            env=environment(DATABASE_URL=f"sqlite:///{tmp_path}/web.sqlite3", **PRODUCTION),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as web:
            try:
                page = _answer_of(f"http://{address}/admin/login/")
                (path,) = re.findall(r'href="(/static/admin/css/base\.[0-9a-f]+\.css)"', page)
                style = get(urljoin(f"http://{address}", path))
            finally:
                web.terminate()

        assert "--primary" in style
        assert files(image) == before


def _answer_of(url: str) -> str:
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            return get(url)
        except urllib.error.HTTPError:
            raise
        except OSError:
            assert time.monotonic() < deadline, "gunicorn does not answer"
            time.sleep(0.05)


class TestContext:
    def test_leaves_out_what_is_nobody_s_business(self):
        first, *rest = [
            line
            for line in Path(BASE_DIR, ".dockerignore").read_text().splitlines()
            if not line.startswith("#")
        ]

        assert first == "*"
        assert [line for line in rest if line.startswith("!")] == [
            "!credits",
            "!homezy",
            "!settings",
            "!manage.py",
            "!requirements.txt",
        ]


class TestCompose:
    def test_is_what_the_specification_asks(self):
        done = subprocess.run(
            [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE],
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 0, done.stdout

    @pytest.mark.parametrize("name", SERVICES)
    def test_shuts_in(self, name):
        service = SERVICES[name]

        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert re.search(r":v?\d+\.\d+\.\d+", service["image"]) or name == "postgres"
        assert "latest" not in service["image"]
        # Ours is said by the image.
        assert (name in OURS) or not service["user"].startswith(("0", "root"))

    def test_opens_ports_to_this_machine_alone(self):
        ports = [port for service in SERVICES.values() for port in service.get("ports", [])]

        assert ports
        assert all(port.startswith("127.0.0.1:") for port in ports)

    def test_runs_commands_that_exist(self):
        python, manage, command, *arguments = SERVICES["migrate"]["command"]

        assert (python, manage) == ("python", "manage.py")
        assert_understood(command, arguments)
        assert SERVICES["worker"]["command"][:4] == ["celery", "-A", "homezy", "worker"]
        assert SERVICES["beat"]["command"][:4] == ["celery", "-A", "homezy", "beat"]
        assert "command" not in SERVICES["web"]

    def test_names_its_secrets_and_holds_none(self):
        text = COMPOSE.read_text()
        example = Path(BASE_DIR, ".env.example").read_text()

        names = set(re.findall(r"\$\{(\w+)", text))
        assert {"DJANGO_SECRET_KEY", "POSTGRES_PASSWORD"} <= names
        assert [name for name in names if f"{name}=" not in example] == []
        assert SECRET.search(text) is None

    def test_gives_production_all_that_it_asks_for(self):
        told = SERVICES["web"]["environment"]
        required = {*PRODUCTION, "DATABASE_URL", "DJANGO_SETTINGS_MODULE"}

        assert required <= set(told)
