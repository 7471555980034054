"""Where commands write what they say."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.management.base import OutputWrapper


class Output(OutputWrapper):
    """An output whose reader may leave, as ``head`` does: work goes on, and ends as it would."""

    def write(  # type: ignore[override]  # so does Django's own
        self,
        msg: str = "",
        style_func: Callable[[str], str] | None = None,
        ending: str | None = None,
    ) -> None:
        """Write a message; where nobody reads any more, write it nowhere."""
        with self._readerless():
            super().write(msg, style_func, ending)

    def flush(self) -> None:
        """Write what is held back."""
        with self._readerless():
            super().flush()

    @contextmanager
    def _readerless(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            # What Python still holds back it tries again at its end, and would fail again.
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), self.fileno())
