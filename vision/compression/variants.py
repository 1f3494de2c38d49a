"""The networks that the search may convert: the trained one, its students, and each of them pruned."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from vision.classifier import ImageClassifier
from vision.compression.candidate import ONE_VIEW, TRAINED, TWO_VIEWS
from vision.compression.candidates import Convertible, convertible
from vision.compression.conversions import Limit
from vision.compression.data import CompressionData
from vision.compression_config import CompressConfig
from vision.model_config import ModelConfig
from vision.runtimes.keras_runtime import KerasRuntime
from vision.training.averaging import behind_mirror, is_shifted, mirrored


def student_name(student: ModelConfig) -> str:
    """`fast, width 16`: its architecture and options."""
    return ", ".join((student.name, *(f"{option} {value}" for option, value in student.options.items())))


@dataclass
class Variants:
    """Each is made once, when it is first asked for; their files last as long as the context."""

    original: ImageClassifier
    data: CompressionData
    config: CompressConfig
    _made: dict[tuple[str, float], ImageClassifier] = field(default_factory=dict)
    _convertible: dict[tuple[str, float], Convertible] = field(default_factory=dict)
    _files: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._files.close()

    @property
    def untaught(self) -> list[str]:
        """The names of those that are there already: a mirrored network is two, and one costs half."""
        assert isinstance(self.original.runtime, KerasRuntime)
        model = self.original.runtime.model
        if behind_mirror(model) is None:
            return [TRAINED]
        return [TRAINED, TWO_VIEWS, ONE_VIEW] if is_shifted(model) else [TRAINED, ONE_VIEW]

    @property
    def students(self) -> dict[str, ModelConfig]:
        """Those that would have to be taught."""
        return {student_name(student): student for student in self.config.distil.students}

    def convertible(self, student: str, pruned: float) -> Convertible:
        """Of the student of that name, or of TRAINED, with `pruned` (0..1) of its channels removed."""
        key = student, pruned
        if key not in self._convertible:
            limit = Limit(self.original, self.data.validation, self.config.max_accuracy_drop / 100)
            source = convertible(self._classifier(student, pruned), self.data.calibration, limit=limit)
            self._convertible[key] = self._files.enter_context(source)
        return self._convertible[key]

    def _classifier(self, student: str, pruned: float) -> ImageClassifier:
        key = student, pruned
        if key not in self._made:
            self._made[key] = self._make(student, pruned)
        return self._made[key]

    def _make(self, student: str, pruned: float) -> ImageClassifier:
        if student in (ONE_VIEW, TWO_VIEWS):  # pruned and trained once, for all views and for fewer
            whole = self._classifier(TRAINED, pruned)
            assert isinstance(whole.runtime, KerasRuntime)
            network = behind_mirror(whole.runtime.model)
            if student == TWO_VIEWS:
                network = mirrored(network, task=whole.task)
            return whole.with_runtime(KerasRuntime(network))
        if pruned:
            from vision.compression.pruning.prune import prune

            how = self.config.prune
            whole = self._classifier(student, 0.0)
            return prune(
                whole, self.data, share=pruned, rounds=how.rounds, config=how.train, distil=how.distil
            )
        if student == TRAINED:
            return self.original
        from vision.compression.distil import distil

        train = self.config.distil.train
        return distil(self.original, self.data, student=self.students[student], config=train)
