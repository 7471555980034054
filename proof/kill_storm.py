"""
SIGKILL at a random moment of a job, again and again.

After each kill the job is run once more, and then everything must be as if nothing had happened:
every invariant of the books, every professional reset, expired, warned and told exactly once.
"""

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from django.db import IntegrityError, connection
from django.test import override_settings

from proof import file_mail
from proof.findings import Finding
from proof.kill_scenes import SETTINGS, Scene
from proof.stage import clear
from tests.processes import Child, Tell

TRIALS_TO_A_WORLD = 25
"""After so many the books are begun anew, or reading them all would take ever longer."""

TOO_LATE, IN_TIME = 0.9, 1.01
"""
What a trial makes of the seconds from which the next moment is drawn: about one kill in ten comes
too late, so the last moments of the job are among those that are met.
"""


def storm(kind: type[Scene], *, kills: int, control_kills: int, seed: int) -> Finding:
    """Kill one job ``kills`` times and its naive twin ``control_kills`` times."""
    begun = time.monotonic()
    chance = random.Random(f"{seed} {kind.name}")
    with tempfile.TemporaryDirectory() as directory, _settings(Path(directory, "mails")):
        scene = kind(chance)
        longest = _duration(scene, scene.act)
        complaints: list[str] = []
        killed = lived = 0
        while killed < kills:
            if killed % TRIALS_TO_A_WORLD == 0:
                scene = kind(chance)
            scene.prepare()
            if not _kill_at_random(scene.act, longest=longest, chance=chance):
                lived += 1
                # The machine has become quicker than it was.
                longest *= TOO_LATE
                continue
            killed += 1
            longest *= IN_TIME
            scene.act_again()
            if found := scene.complaints():
                complaints.append(f"kill {killed}: {'; '.join(found)}")
                scene = kind(chance)
        control_bad = _control(kind, control_kills, chance)
        clear()
    return Finding(
        experiment=kind.name,
        engine=connection.vendor,
        trials=killed,
        trial="kills",
        complaints=tuple(complaints),
        control_trials=control_kills,
        control_bad=control_bad,
        seconds=time.monotonic() - begun,
        remarks=f"{lived} came too late",
    )


def _control(kind: type[Scene], kills: int, chance: random.Random) -> int:
    """Return how often the naive job, killed and run again, leaves books that are wrong."""
    scene = kind(chance)
    scene.prepare()
    scene.act_naively()
    # Unharmed it does what it should: else what follows would say nothing about kills.
    assert not (found := scene.complaints()), found
    longest = _duration(scene, scene.act_naively)
    bad = killed = 0
    while killed < kills:
        scene = kind(chance)
        scene.prepare()
        if _kill_at_random(scene.act_naively, longest=longest, chance=chance):
            killed += 1
            with suppress(IntegrityError):  # Constraints of ours that the original did not have.
                scene.act_naively()
            bad += bool(scene.complaints())
    return bad


def _begin(act: Callable[[], None]) -> Child:
    """Start the act in a process of its own that says when it begins and when it is done."""

    def live(tell: Tell) -> None:
        connection.ensure_connection()
        tell("begun")
        act()
        tell("done")

    child = Child(live)
    child.hear()
    return child


def _kill_at_random(act: Callable[[], None], *, longest: float, chance: random.Random) -> bool:
    """Kill a process with -9 while it acts; return whether it was still at it."""
    with _begin(act) as child:
        time.sleep(chance.uniform(0, longest))
        child.kill()
        return child.hear() != "done"


def _duration(scene: Scene, act: Callable[[], None]) -> float:
    """Return how many seconds the act takes in a process of its own: the median of five."""
    taken = []
    for _ in range(5):
        scene.prepare()
        with _begin(act) as child:
            begun = time.monotonic()
            assert child.hear() == "done", "The job failed without being killed."
            taken.append(time.monotonic() - begun)
    return statistics.median(taken)


class _settings(override_settings):  # noqa: N801  a context manager, named like one
    """Small chunks, mail at any hour, and into one file."""

    def __init__(self, mailbox: Path) -> None:
        os.environ[file_mail.PATH] = str(mailbox)
        super().__init__(CREDITS=SETTINGS, ADMINS=[], EMAIL_BACKEND="proof.file_mail.EmailBackend")
