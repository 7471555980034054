from io import StringIO
from pathlib import Path

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import OperationalError

from credits.management.commands import preview_credit_notice
from credits.models import Notice
from tests.factories import make_professional

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    printed = StringIO()
    call_command("preview_credit_notice", *arguments, stdout=printed)
    return printed.getvalue()


class TestPreviewCreditNotice:
    @pytest.mark.parametrize("kind", Notice.Kind.values)
    @pytest.mark.parametrize("language", ["en", "ar"])
    def test_writes_two_files_and_prints_their_paths(
        self, tmp_path: Path, kind: str, language: str
    ):
        printed = run(kind, "--language", language, "--output", str(tmp_path / "new"))

        html, text = (
            tmp_path / "new" / f"{kind}-{language}.{suffix}" for suffix in ("html", "txt")
        )
        assert printed == f"{html}\n{text}\n"
        assert html.read_text(encoding="utf-8").startswith("<!doctype html>")
        assert text.read_text(encoding="utf-8").startswith("Subject: ")

    def test_prints_a_path_that_is_not_utf_8_as_well_as_it_can(self, tmp_path: Path):
        lines = run("reset", "--output", f"{tmp_path}/\udcff")

        assert f"{tmp_path}/\ufffd/reset-en.html" in lines
        assert (tmp_path / "\udcff" / "reset-en.html").exists()

    def test_sends_nothing(self, tmp_path: Path):
        run("reset", "--output", str(tmp_path))

        assert mail.outbox == []
        assert not Notice.objects.exists()

    def test_finds_a_professional_by_address(self, tmp_path: Path):
        make_professional(email="omar@example.com", first_name="Omar", language="ar")

        run("reset", "--professional", "Omar@Example.com", "--output", str(tmp_path))

        assert "Omar" in (tmp_path / "reset-ar.html").read_text(encoding="utf-8")

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["rest"], "kind: “rest” is none; the kinds are reset, "),
            (["reset", "--language", "fr"], "language: “fr” is none of this project's: en, ar."),
            (["reset", "--professional", "nobody@example.com"], "there is no user “nobody@"),
            (["reset", "--professional", "x"], "there is no user “x”"),
            (["reset", "--professional="], "there is no user “”"),
            (["reset", "--output", "/dev/null/x"], "--output: /dev/null/x cannot be written to"),
        ],
        ids=["kind", "language", "address", "id", "blank", "output"],
    )
    def test_refuses_in_one_sentence(self, arguments: list[str], sentence: str):
        with pytest.raises(CommandError) as refused:
            run(*arguments)

        assert refused.value.returncode == 2
        assert sentence in str(refused.value)
        assert "\n" not in str(refused.value)

    def test_says_when_there_is_nothing_to_say(self):
        aisha = make_professional()

        with pytest.raises(CommandError) as refused:
            run("expiry_warning", "--professional", str(aisha.pk))

        assert refused.value.returncode == 1
        assert "No credits expire any more" in str(refused.value)

    @pytest.mark.usefixtures("broken_template")
    def test_says_when_a_template_of_the_project_is_broken(self, tmp_path: Path):
        with pytest.raises(CommandError) as refused:
            call_command("preview_credit_notice", "reset", output=str(tmp_path))

        assert str(refused.value).startswith(
            "A template of credits/notices/reset.* cannot be used: TemplateSyntaxError: Invalid"
        )

    def test_says_when_the_database_refuses(self, monkeypatch: pytest.MonkeyPatch):
        def refuse(*args: object, **kwargs: object) -> None:
            raise OperationalError("no such table: credits_creditbalance")

        monkeypatch.setattr(preview_credit_notice, "preview", refuse)

        with pytest.raises(CommandError, match="has manage.py migrate been run") as refused:
            run("reset")

        assert refused.value.returncode == 1
