"""The documentation says what is so: examples run, commands exist, links lead somewhere."""

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from credits.conf import CreditsSettings
from tests.docs.pages import PAGES, ROOT, fences_of, name_of
from tests.factories import make_professional

START = ROOT / "docs" / "start.md"
"""Gone through by test_start.py, in a project of its own."""

COMMAND = re.compile(r"\bmanage\.py ([a-z]\w+)(?![\w/.])((?: [^\s`|;&#]+)*)")
OURS = {"credits", "homezy"}

PAGES_WITH_EXAMPLES = [
    page
    for page in PAGES
    if page != START and any(fence.text.startswith(">>> ") for fence in fences_of(page))
]


@pytest.mark.django_db
class TestExample:
    @pytest.mark.parametrize("page", PAGES_WITH_EXAMPLES, ids=name_of)
    def test_gives_what_the_page_shows(self, page: Path):
        make_professional(pk=7)
        examples = doctest.DocTest(
            examples=[], globs={}, name=name_of(page), filename=str(page), lineno=0, docstring=None
        )
        for fence in fences_of(page):
            for example in doctest.DocTestParser().get_examples(fence.text):
                example.lineno += fence.line
                examples.examples.append(example)

        said: list[str] = []
        outcome = doctest.DocTestRunner().run(examples, out=said.append)

        assert outcome.failed == 0, "".join(said)


@pytest.mark.engine("sqlite")
class TestPythonBlock:
    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_is_python_and_names_settings_that_exist(self, page: Path):
        known = {name.upper() for name in CreditsSettings.__dataclass_fields__}

        for fence in fences_of(page):
            if fence.language == "python" and not fence.text.startswith(">>> "):
                compile(fence.text, f"{name_of(page)}:{fence.line}", "exec")
                for given in re.findall(r"(?ms)^CREDITS = \{(.*?)\}", fence.text):
                    keys = set(re.findall(r'"([A-Z_]+)":', given))
                    assert keys <= known
                    # Who pastes it loses what stood there: it has to be enough by itself.
                    assert "ELIGIBLE_PROFESSIONALS" in keys, f"{name_of(page)}:{fence.line}"
                assert set(re.findall(r'(?m)^CREDITS\["([A-Z_]+)"\]', fence.text)) <= known


@pytest.mark.engine("sqlite")
class TestCommand:
    @pytest.mark.parametrize("page", PAGES, ids=name_of)
    def test_exists_and_takes_the_options_shown(self, page: Path):
        apps = get_commands()

        for name, rest in COMMAND.findall(page.read_text("utf-8")):
            assert name in apps, f"{name_of(page)} tells to type manage.py {name}"
            if apps[name] in OURS:
                parser = load_command_class(apps[name], name).create_parser("manage.py", name)
                known = set(re.findall(r"--[a-z-]+", parser.format_help()))
                options = {word for word in rest.split() if word.startswith("--")}
                assert options <= known, f"{name_of(page)}: manage.py {name}{rest}"


@pytest.mark.engine("sqlite")
class TestDocumentation:
    def test_is_built_without_a_warning(self, tmp_path: Path):
        # No HTML: pages are read and links resolved, which is what can go wrong.
        order = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "dummy"]

        built = subprocess.run(
            [*order, "-c", "docs", ".", tmp_path],
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )

        assert (built.returncode, built.stderr) == (0, "")
