"""Lines of a log that nothing quoted in them can forge."""

import logging
import re
import time

# Whatever begins a new line or moves a terminal's cursor.
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


class LineFormatter(logging.Formatter):
    """
    ``2026-11-01T00:01:04Z ERROR credits.jobs run finished …``: one record, one line, in UTC.

    A newline in a message is written as ``\\n``. Only a traceback has lines of its own, and each of
    them begins with ``  | ``, so that none can be taken for a record.
    """

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's own name
        """Return the line of a record, without its traceback."""
        return _CONTROLS.sub(_escape, super().formatMessage(record))

    def formatException(self, ei: object) -> str:  # noqa: N802
        """Return a traceback, each line marked as one."""
        return _marked(super().formatException(ei))  # type: ignore[arg-type]

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        """Return a stack, each line marked as one."""
        return _marked(super().formatStack(stack_info))


def _marked(text: str) -> str:
    lines = text.split("\n")
    return "\n".join(f"  | {_CONTROLS.sub(_escape, line)}" for line in lines)
