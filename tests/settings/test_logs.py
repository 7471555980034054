"""settings.logs: the console, and files that several processes write and rotate."""

import json
import logging
import logging.config
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from settings import logs
from settings.environment import BASE_DIR
from settings.logs import logging_settings

WRITER = """
import logging, logging.config, sys
from settings import logs
logs.LARGEST, logs.KEPT = 20_000, 50
logging.config.dictConfig(logs.logging_settings(console=False))
for number in range(400):
    logging.getLogger("credits.jobs").info("writer=%s number=%s %s", sys.argv[1], number, "x" * 100)
"""


@pytest.fixture
def written(monkeypatch, tmp_path):
    """Log one error through the settings; return the lines of a file."""

    def log(form: str, message: str) -> dict[str, list[str]]:
        monkeypatch.setenv("LOG_FORMAT", form)
        monkeypatch.setenv("LOG_DIR", str(tmp_path))
        config = logging_settings(console=False)
        # Not the root of the suite itself.
        config["loggers"] = {"apart": config.pop("root") | {"propagate": False}}
        logging.config.dictConfig({**config, "incremental": False})
        logger = logging.getLogger("apart")
        logger.info("all is well")
        logger.error(message, extra={"run_id": 51})
        for handler in logger.handlers:
            handler.close()
        logger.handlers = []
        return {path.stem: path.read_text().splitlines() for path in tmp_path.glob("*.log")}

    return log


class TestFiles:
    def test_hold_lines_that_nothing_forges(self, written):
        files = written("text", "oops\nforged")

        assert [line.split(" ", 1)[1] for line in files["credits"]] == [
            "INFO apart all is well",
            r"ERROR apart oops\nforged",
        ]
        assert len(files["credits-errors"]) == 1

    def test_hold_a_document_for_each_record(self, written):
        files = written("json", "oops\nforged")

        well, oops = (json.loads(line) for line in files["credits"])
        assert (well["level"], well["logger"], well["message"]) == ("INFO", "apart", "all is well")
        assert (oops["message"], oops["run_id"]) == ("oops\nforged", 51)
        assert oops["time"].startswith("20")

    def test_lose_no_line_when_processes_rotate_them_at_once(self, tmp_path):
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, str(number)],
                cwd=BASE_DIR,
                env={"LOG_DIR": str(tmp_path), "PYTHON_DOTENV_DISABLED": "1"},
            )
            for number in range(3)
        ]
        assert [writer.wait(60) for writer in writers] == [0, 0, 0]

        files = list(tmp_path.glob("credits.log*"))
        lines = [line for path in files for line in path.read_text().splitlines()]
        assert len(files) > 3
        assert len(lines) == 3 * 400
        found = {line.split("credits.jobs ")[1][:40] for line in lines}
        assert len(found) == len(lines)


class TestWhere:
    @pytest.fixture(autouse=True)
    def text(self, monkeypatch):
        monkeypatch.delenv("LOG_FORMAT", raising=False)

    def handlers(self) -> list[str]:
        return list(logging_settings(console=True)["handlers"])

    def test_is_the_console_alone_where_none_is_asked_for(self, monkeypatch):
        monkeypatch.setenv("LOG_DIR", "none")

        assert self.handlers() == ["console"]

    def test_is_the_console_alone_where_nothing_can_be_written(self, monkeypatch, tmp_path):
        (tmp_path / "logs").write_text("a file")
        monkeypatch.delenv("LOG_DIR", raising=False)
        monkeypatch.setattr(logs.environment, "BASE_DIR", tmp_path)

        assert self.handlers() == ["console"]

    def test_is_made_where_it_is_missing(self, monkeypatch, tmp_path: Path):
        monkeypatch.setenv("LOG_DIR", str(tmp_path / "a/b"))

        assert self.handlers() == ["console", "all", "errors"]
        assert (tmp_path / "a/b").is_dir()

    @pytest.mark.parametrize(
        ("name", "value", "sentence"),
        [
            ("LOG_DIR", "/dev/null/logs", "LOG_DIR is '/dev/null/logs', where nothing can"),
            ("LOG_FORMAT", "xml", "LOG_FORMAT must be text or json; it is 'xml'."),
        ],
    )
    def test_is_refused_in_a_sentence(self, monkeypatch, name, value, sentence):
        monkeypatch.setenv("LOG_DIR", "none")
        monkeypatch.setenv(name, value)

        with pytest.raises(ImproperlyConfigured, match=sentence):
            self.handlers()
