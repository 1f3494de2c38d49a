"""What ends an experiment by itself: the challenger fails too often, is too slow, or is right less often.

Every worker process judges what it sees by itself, and the first to find a breach ends the experiment for
all. Chance does so with 3 * alpha at most in each (registry.traffic.Limits): the tests of vision.sequential
may be looked at after every answer.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from registry.pointer import ChampionPointer
from registry.traffic import Traffic, end_traffic, read_traffic
from registry.workspace import Workspace
from serving.classified import Classified
from serving.versions.champion import Arm, Served
from vision import sequential
from vision.errors import RegistryError
from vision.sequential import AccuracyTest, TailTest, is_above

logger = logging.getLogger("sightline.guard")

# How often the rule of the traffic is read again.
FOLLOW_SECONDS = 1.0


@dataclass(frozen=True)
class Evidence:
    """What one process has seen of one experiment."""

    traffic: Traffic
    latency: TailTest
    accuracy: AccuracyTest = field(default_factory=AccuracyTest)
    answered: int = 0  # by the challenger, failures too
    failed: int = 0

    @classmethod
    def none_yet(cls, traffic: Traffic) -> Evidence:
        return cls(traffic, TailTest(traffic.limits.max_latency_ratio))

    def of_answer(self, answer: Classified) -> Evidence:
        arm = answer.served.arm
        assert arm != "shadow", "it answers nobody"
        # A remembered answer took no time, whichever model it is from.
        latency = self.latency if answer.cached else self.latency.update(arm, sum(answer.seconds.values()))
        return replace(self, latency=latency, answered=self.answered + (arm == "challenger"))

    def of_failure(self) -> Evidence:
        return replace(self, answered=self.answered + 1, failed=self.failed + 1)

    def of_feedback(self, arm: sequential.Arm, right: bool) -> Evidence:
        return replace(self, accuracy=self.accuracy.update(arm, right))

    def breach(self) -> str | None:
        """Which limit the challenger does not keep, in words; None while chance may explain what was seen."""
        limits = self.traffic.limits
        if is_above(self.failed, self.answered, share=limits.max_error_share, alpha=limits.alpha):
            return f"{self.failed} of {self.answered} answers failed, allowed is {limits.max_error_share:.2%}"
        if self.latency.is_slower(limits.alpha):
            seen = f"in {self.latency.slower} of {self.latency.compared} comparisons"
            return (
                f"its 95th percentile took more than {limits.max_latency_ratio:g} times the champion's {seen}"
            )
        if self.accuracy.decide(limits.alpha) == "challenger_worse":
            only = f"{self.accuracy.champion_only} times, the challenger {self.accuracy.challenger_only}"
            return f"by feedback in pairs, the champion alone was right {only}"
        return None


class Guard:
    """An engine.Observer that is told of failures and feedback too. Counted event: rolled_back."""

    def __init__(
        self,
        workspace: Workspace,
        count: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workspace, self._count, self._clock = workspace, count, clock
        self._lock = threading.Lock()
        self._seen: dict[str, Evidence] = {}  # by model
        self._looked: dict[str, float] = {}  # when its traffic was read last

    def classified(self, answer: Classified, data: bytes) -> None:
        if answer.served.arm != "shadow":
            self._judge(answer.served.pointer, answer.served.arm, lambda seen: seen.of_answer(answer))

    def failed(self, served: Served) -> None:
        """That version gave no answer, and the image was not at fault."""
        if served.arm == "challenger":
            self._judge(served.pointer, served.arm, Evidence.of_failure)

    def judged(self, pointer: ChampionPointer, arm: Arm, right: bool) -> None:
        """A person said whether that version's answer was right; to be told once a prediction."""
        if arm != "shadow":
            self._judge(pointer, arm, lambda seen: seen.of_feedback(arm, right))

    def _judge(self, pointer: ChampionPointer, arm: Arm, add: Callable[[Evidence], Evidence]) -> None:
        model = pointer.model
        with self._lock:
            self._follow(model)
            seen = self._seen.get(model)
            # A late answer of an earlier challenger is not this one's.
            if seen is None or (arm == "challenger" and pointer != seen.traffic.challenger):
                return
            seen = self._seen[model] = add(seen)
            breach = seen.breach()
            if breach:
                del self._seen[model]  # begins anew where the experiment could not be ended
        if breach:
            self._end(seen.traffic, breach)

    def _follow(self, model: str) -> None:
        """Sees to it that what was seen of the model is of the experiment that is on."""
        now = self._clock()
        if now - self._looked.get(model, -FOLLOW_SECONDS) < FOLLOW_SECONDS:
            return
        self._looked[model] = now
        traffic = self._split(model)
        if traffic is None:
            self._seen.pop(model, None)
        elif model not in self._seen or self._seen[model].traffic != traffic:
            self._seen[model] = Evidence.none_yet(traffic)

    def _split(self, model: str) -> Traffic | None:
        try:
            traffic = read_traffic(self._workspace, model)
        except (RegistryError, OSError):  # the fleet says so in the log
            return None
        return traffic if traffic and traffic.mode == "split" else None

    def _end(self, traffic: Traffic, reason: str) -> None:
        try:
            ended = end_traffic(self._workspace, traffic.model, reason=reason, only=traffic)
        except OSError as error:
            logger.error(
                "%s version %d: its experiment could not be ended: %s", traffic.model, traffic.version, error
            )
            return
        if ended:
            self._count("rolled_back")
            logger.warning("%s version %d is rolled back: %s", traffic.model, traffic.version, reason)
