import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polib
import pytest

import credits as app

APP = Path(app.__file__).parent
LOCALE = APP / "locale" / "ar" / "LC_MESSAGES"

Key = tuple[str | None, str, str]


def texts(entries: polib.POFile | polib.MOFile) -> dict[Key, list[str]]:
    """Return each message's translations, all of its plural forms."""
    return {
        (entry.msgctxt, entry.msgid, entry.msgid_plural): (
            [form for _, form in sorted(entry.msgstr_plural.items())]
            if entry.msgid_plural
            else [entry.msgstr]
        )
        for entry in entries
        if not entry.obsolete
    }


@pytest.fixture(scope="module")
def arabic() -> polib.POFile:
    return polib.pofile(str(LOCALE / "django.po"))


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)s", text))


class TestArabic:
    def test_translates_every_message(self, arabic: polib.POFile):
        assert [key for key, forms in texts(arabic).items() if not all(forms)] == []
        assert arabic.fuzzy_entries() == []

    def test_is_compiled_as_it_is_written(self, arabic: polib.POFile):
        compiled = polib.mofile(str(LOCALE / "django.mo"))

        assert texts(compiled) == texts(arabic)
        assert compiled.metadata["Plural-Forms"] == arabic.metadata["Plural-Forms"]

    def test_has_six_plural_forms(self, arabic: polib.POFile):
        assert "nplurals=6" in arabic.metadata["Plural-Forms"]
        for (_, _, plural), forms in texts(arabic).items():
            assert len(forms) == (6 if plural else 1)

    def test_leaves_no_variable_out_where_it_counts(self, arabic: polib.POFile):
        for (_, message, plural), forms in texts(arabic).items():
            needed = placeholders(message) | placeholders(plural)
            # Zero, one and two may say their number as a word; the others must show it.
            for form in forms[3:] if plural else forms:
                assert placeholders(form) == needed, message
            for form in forms[:3]:
                assert placeholders(form) <= needed, message

    @pytest.mark.skipif(not shutil.which("xgettext"), reason="needs gettext: apt install gettext")
    def test_knows_every_message_of_the_app(self, arabic: polib.POFile, tmp_path: Path):
        copy = tmp_path / "credits"
        shutil.copytree(APP, copy, ignore=shutil.ignore_patterns("__pycache__", "*.mo"))
        environment = {
            name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"
        }

        subprocess.run(
            [sys.executable, "-m", "django", "makemessages", "-l", "ar", "--no-obsolete"],
            cwd=copy,
            env=environment,
            check=True,
            capture_output=True,
        )

        found = polib.pofile(str(copy / "locale" / "ar" / "LC_MESSAGES" / "django.po"))
        assert set(texts(found)) - set(texts(arabic)) == set(), "make messages, then translate"
        assert set(texts(arabic)) - set(texts(found)) == set(), "make messages drops these"
