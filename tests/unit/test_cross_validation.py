"""Who is held out with whom, what is measured of the answers, and that a killed run goes on."""

from __future__ import annotations

import logging
import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydantic import ValidationError
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from vision.augmentation_policy import AugmentationPolicy
from vision.bundle import sha256_file
from vision.classifier import ImageClassifier
from vision.config import CrossValidateConfig
from vision.cross_validation import training as cross_validation_training
from vision.cross_validation.answers import TABLE, OutOfFold, summarise, to_table
from vision.cross_validation.folds import assign_folds
from vision.cross_validation.training import train_folds
from vision.errors import DataError
from vision.manifest import Manifest
from vision.model_config import ModelConfig
from vision.prepared import PreparedImages, prepare_images
from vision.preprocessing import Preprocessing
from vision.training.record import TrainingRecord
from vision.training.train import TrainingPlan
from vision.training_config import TrainConfig

CLASSES = ("blue", "green", "red")
PLAN = TrainingPlan(ModelConfig(), TrainConfig(), AugmentationPolicy(), seed=1)
PARTS = ("train", "validation", "test")


def manifest_of(labels: list[str], *, several: bool = False, **columns: Any) -> Manifest:
    paths = [f"{number:04d}.png" for number in range(len(labels))]
    table = pd.DataFrame({"path": paths, "label": labels, "split": "train", "sha256": paths})
    return Manifest("data", table.assign(**columns), is_multi_label=several)


def prepared_of(manifest: Manifest) -> Any:
    """As much of prepared images as the division into folds looks at."""
    parts, names = {part: manifest.select(part) for part in PARTS}, manifest.class_names

    def labels(part: str) -> Any:
        has = np.array([[name in given for name in names] for given in parts[part].labels], int)
        has = has.reshape(-1, len(names))
        return has if manifest.is_multi_label else has.argmax(axis=1)

    def paths(part: str) -> tuple[str, ...]:
        return tuple(parts[part].table["path"])

    return SimpleNamespace(folder=Path("prepared"), class_names=names, labels=labels, paths=paths)


def random_groups(*, several: bool) -> Manifest:
    """600 images in groups of up to four, some of which are near-duplicates of images of other groups."""
    random = np.random.default_rng(3)
    labels = random.choice(CLASSES, 600, p=(0.6, 0.3, 0.1)).tolist()
    if several:
        labels = ["|".join(name for name in CLASSES if random.random() < 0.3) for _ in range(600)]
    clusters = [f"c{number}" if number < 20 else "" for number in random.integers(0, 200, 600)]
    groups = [f"g{number // 4}" if number % 3 else "" for number in range(600)]
    return manifest_of(labels, several=several, cluster=clusters, group=groups)


def splits_of(manifest: Manifest, *, folds: int, seed: int = 1) -> list[pd.Series]:
    """Of each fold: the part of each path."""
    prepared = prepared_of(manifest)
    division = assign_folds(prepared, manifest, folds=folds, seed=seed)
    return [pd.Series(division.prepare(prepared, fold).splits) for fold in range(1, folds + 1)]


@pytest.mark.parametrize("several", [False, True])
def test_each_image_is_held_out_once_and_groups_stay_together(several: bool) -> None:
    manifest = random_groups(several=several)
    splits = splits_of(manifest, folds=5)
    assert (sum((split == "test").astype(int) for split in splits) == 1).all()
    table = manifest.table.set_index("path")
    for split in splits:
        assert set(split.unique()) == set(PARTS)
        for column in ("group", "cluster"):
            linked = table[column][table[column] != ""]
            assert (split[linked.index].groupby(linked).nunique() == 1).all()


@pytest.mark.parametrize("several", [False, True])
def test_folds_have_near_equal_shares_of_each_class(several: bool) -> None:
    manifest = random_groups(several=several)
    has = manifest.table.set_index("path")["label"].str.get_dummies("|")
    for split in splits_of(manifest, folds=5):
        shares = has[split == "test"].sum() / has.sum()
        assert shares.between(0.15, 0.25).all()
        stopping = has[split == "validation"].sum() / has[split != "test"].sum()
        assert stopping.between(0.05, 0.16).all()


def test_images_without_links_are_divided_exactly() -> None:
    labels = ["blue"] * 50 + ["green"] * 20 + ["red"] * 10
    for split in splits_of(manifest_of(labels), folds=5):
        counts = pd.crosstab(pd.Series(labels).to_numpy(), split.to_numpy())
        assert counts["test"].tolist() == [10, 4, 2]
        assert counts["validation"].tolist() == [4, 2, 1]  # the whole numbers nearest to 4, 1.6 and 0.8


def test_folds_follow_the_seed_alone() -> None:
    manifest = random_groups(several=True)
    first, again, other = (splits_of(manifest, folds=3, seed=seed) for seed in (1, 1, 2))
    assert all(map(pd.Series.equals, first, again))
    assert not first[0].equals(other[0])


def test_images_linked_by_an_unused_one_are_held_out_together() -> None:
    """3 looks like 0, and is of one group with 6: 0 and 6 never part, though 3 is excluded."""
    labels = ["blue", "green", "red"] * 6
    cluster = ["x" if number in (0, 3) else "" for number in range(18)]
    group = ["y" if number in (3, 6) else "" for number in range(18)]
    split = ["excluded" if number == 3 else "train" for number in range(18)]
    manifest = manifest_of(labels, cluster=cluster, group=group, split=split)
    for parts in splits_of(manifest, folds=2):
        assert parts["0000.png"] == parts["0006.png"]
        assert "0003.png" not in parts


@pytest.mark.parametrize("several", [False, True])
def test_a_class_of_too_few_images_is_named(several: bool) -> None:
    manifest = manifest_of(["blue"] * 9 + ["green"] * 9 + ["red"] * 4, several=several)
    with pytest.raises(DataError, match=r'5 folds: "red" has 4 images; .*config.cross_validate.folds'):
        splits_of(manifest, folds=5)


def test_linked_images_of_a_class_count_once() -> None:
    groups = ["same"] * 7 + [""] * 11
    manifest = manifest_of(["blue"] * 9 + ["green"] * 9, group=groups)
    with pytest.raises(DataError, match='"blue" has 9 images in 3 sets that never part;'):
        splits_of(manifest, folds=4)


def test_a_class_of_test_images_alone_is_no_hindrance() -> None:
    split = ["train"] * 16 + ["validation"] * 4 + ["test"] * 4
    manifest = manifest_of(["blue", "green"] * 10 + ["red"] * 4, split=split)
    assert len(splits_of(manifest, folds=5)[0]) == 20


def test_images_too_few_to_stop_by_are_refused() -> None:
    with pytest.raises(DataError, match="fold 1 of 2 leaves 2 images, of which none can be spared"):
        splits_of(manifest_of(["blue", "green"] * 2), folds=2)


@pytest.mark.parametrize("folds", [-1, 1, 21])
def test_number_of_folds_is_checked(folds: int) -> None:
    with pytest.raises(ValidationError):
        CrossValidateConfig(folds=folds)


@dataclass(frozen=True)
class Colours:
    """Logits by the distance of an image's mean colour to that of each class (K, 3)."""

    centres: Any
    name: str = "fake"
    precision: str = "float32"

    def logits(self, images: Any) -> Any:
        distance = ((images.mean(axis=(1, 2))[:, None] - self.centres) ** 2).sum(axis=2)
        return (-distance / 1000).astype(np.float32)

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def learn_colours(prepared: PreparedImages, plan: TrainingPlan, *, checkpoint: Path | None) -> Any:
    """In the place of train_classifier."""
    data = prepared.labelled("train")
    means = data.images[:].mean(axis=(1, 2))
    centres = np.array([means[data.labels == place].mean(axis=0) for place in range(3)])
    if checkpoint is not None:
        checkpoint.mkdir(parents=True)
    record = TrainingRecord(
        architecture="fake", parameters=9, history={"loss": (1.0,)}, seconds=1, images_per_second=1
    )
    return ImageClassifier(Colours(centres), prepared.preprocessing, prepared.class_names), record


WRONG = (4, 17, 29)  # images that stand under the label of another


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, PreparedImages]:
    """60 noisy squares, 54 of them to learn from, whose label is their colour except those of WRONG."""
    folder, random = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    labels, hashes = [], []
    for number in range(60):
        kind = number % 3
        labels.append(CLASSES[(kind + (number in WRONG)) % 3])
        pixels = random.integers(0, 150, (8, 8, 3))
        pixels[..., 2 - kind] += 100
        path = folder / f"{number:04d}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(path)
        hashes.append(sha256_file(path))
    split = ["test" if number % 10 == 9 else ("train", "validation")[number % 2] for number in range(60)]
    manifest = replace(manifest_of(labels, sha256=hashes, split=split, group=""), root=str(folder))
    return manifest, prepare_images(manifest, Preprocessing(image_size=(8, 8)), folder / "prepared")


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders of the trainings that were begun."""
    begun: list[str] = []

    def train(prepared: PreparedImages, plan: TrainingPlan, *, checkpoint: Path | None) -> Any:
        begun.append(checkpoint.name if checkpoint else "")
        return learn_colours(prepared, plan, checkpoint=checkpoint)

    monkeypatch.setattr(cross_validation_training, "train_classifier", train)
    return begun


def test_a_fold_is_the_prepared_images_in_other_splits(photos: tuple[Manifest, PreparedImages]) -> None:
    manifest, prepared = photos
    fold = pickle.loads(pickle.dumps(assign_folds(prepared, manifest, folds=3, seed=1).prepare(prepared, 2)))
    labels = manifest.table.set_index("path")["label"]
    for part in PARTS:
        paths = fold.paths(part)
        assert [CLASSES[place] for place in fold.labels(part)] == labels[list(paths)].tolist()
        files = [np.asarray(Image.open(Path(manifest.root) / path)) for path in paths]
        assert np.array_equal(fold.images(part), np.stack(files))
    used = {path for part in PARTS for path in fold.paths(part)}
    assert used == {*prepared.paths("train"), *prepared.paths("validation")}


def test_scores_are_those_of_scikit_learn_on_the_kept_answers(
    photos: tuple[Manifest, PreparedImages], trained: list[str]
) -> None:
    heard: list[float] = []
    answers = train_folds(
        *photos[::-1], PLAN, folds=3, on_fold=lambda _, scores: heard.append(scores["accuracy"])
    )
    found, table = summarise(answers, seed=1), to_table(answers)
    probabilities = table[[f"probability {name}" for name in CLASSES]].to_numpy()
    said = np.array(CLASSES)[probabilities.argmax(axis=1)]
    by_fold = [
        accuracy_score(table["label"][rows], said[rows]) for rows in table.groupby("fold").indices.values()
    ]
    assert heard == pytest.approx(by_fold) == found.scores["accuracy"].values
    assert found.scores["accuracy"].mean == pytest.approx(np.mean(by_fold))
    assert found.scores["accuracy"].spread == pytest.approx(np.std(by_fold, ddof=1))
    pooled = {name: metric.value for name, metric in found.pooled.items()}
    assert pooled["accuracy"] == pytest.approx(accuracy_score(table["label"], said))
    assert pooled["macro_f1"] == pytest.approx(f1_score(table["label"], said, average="macro"))
    assert pooled["roc_auc"] == pytest.approx(
        roc_auc_score(table["label"], probabilities, multi_class="ovr"), abs=1e-6
    )


def test_planted_wrong_labels_are_doubted(
    photos: tuple[Manifest, PreparedImages], trained: list[str]
) -> None:
    manifest, prepared = photos
    answers = train_folds(prepared, manifest, PLAN, folds=3)
    table = to_table(answers).set_index("path")
    planted = [f"{number:04d}.png" for number in WRONG if f"{number:04d}.png" in table.index]
    assert set(table.index[table["has_label_issue"]]) == set(planted)
    assert set(table["label_score"].nsmallest(len(planted)).index) == set(planted)
    assert summarise(answers).label_issues == len(planted) == 2  # the third is a test image
    assert table["label"].equals(manifest.table.set_index("path")["label"][table.index].rename("label"))


def test_a_killed_run_goes_on_with_the_next_fold(
    photos: tuple[Manifest, PreparedImages], trained: list[str], tmp_path: Path
) -> None:
    def kill(result: Any, scores: dict[str, float]) -> None:
        if result.fold == 2:
            raise KeyboardInterrupt

    manifest, prepared = photos
    with pytest.raises(KeyboardInterrupt):
        train_folds(prepared, manifest, PLAN, folds=3, checkpoint=tmp_path, on_fold=kill)
    heard: list[int] = []
    resumed = train_folds(
        prepared,
        manifest,
        PLAN,
        folds=3,
        checkpoint=tmp_path,
        on_fold=lambda fold, _: heard.append(fold.fold),
    )
    assert trained == ["fold_1", "fold_2", "fold_3"] and heard == [1, 2, 3]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fold_1.npz", "fold_2.npz", "fold_3.npz"]
    whole = train_folds(prepared, manifest, PLAN, folds=3)
    assert np.array_equal(resumed.probabilities, whole.probabilities)


def test_answers_of_other_settings_or_damaged_ones_are_not_taken(
    photos: tuple[Manifest, PreparedImages],
    trained: list[str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    manifest, prepared = photos
    train_folds(prepared, manifest, PLAN, folds=3, checkpoint=tmp_path)
    train_folds(prepared, manifest, replace(PLAN, train=TrainConfig(epochs=7)), folds=3, checkpoint=tmp_path)
    assert len(trained) == 6
    (tmp_path / "fold_2.npz").write_bytes(b"PK\x03\x04 cut short")
    with caplog.at_level(logging.WARNING):
        train_folds(
            prepared, manifest, replace(PLAN, train=TrainConfig(epochs=7)), folds=3, checkpoint=tmp_path
        )
    assert trained[6:] == ["fold_2"] and "fold_2.npz is damaged" in caplog.text


def answers_of(labels: Any, probabilities: Any) -> OutOfFold:
    count, classes = probabilities.shape
    names = tuple(f"class {place}" for place in range(classes))
    paths = tuple(str(number) for number in range(count))
    return OutOfFold(paths, np.array(labels), np.arange(count) % 2 + 1, probabilities, names)


def test_answers_of_several_labels_are_measured_and_doubted() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, (80, 4))
    labels[:, 3] = 0  # a class that no image has
    probabilities = np.where(labels == 1, 0.9, 0.1) + random.uniform(-0.05, 0.05, (80, 4))
    probabilities[5] = labels[5]  # sure, and contradicted by the label that is given
    given = labels.copy()
    given[5, 0] = 1 - given[5, 0]
    answers = answers_of(given, probabilities.astype(np.float32))
    found, table = summarise(answers), to_table(answers)
    assert found.pooled["accuracy"].value == pytest.approx(79 / 80)
    assert found.scores["accuracy"].values == (1.0, pytest.approx(39 / 40))  # image 5 is in fold 2
    assert np.flatnonzero(table["has_label_issue"]).tolist() == [5] and found.label_issues == 1
    names = [f"class {place}" for place in np.flatnonzero(given[7])]
    assert table["label"][7] == "|".join(names)


@pytest.mark.parametrize("right", [True, False])
def test_answers_all_right_or_all_wrong_and_a_class_without_images(right: bool) -> None:
    labels = np.arange(20) % 2
    probabilities = np.eye(3, dtype=np.float32)[labels if right else 1 - labels]
    found = summarise(answers_of(labels, probabilities), resamples=20)
    assert found.scores["accuracy"].values == (float(right), float(right))
    assert found.scores["accuracy"].spread == 0
    assert found.images == 20 and found.folds == 2
    assert found.label_issues == (0 if right else 20)


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [[1, 0], [0, 0], [1, 0], [1, 0]], [[0, 0]] * 4])
def test_labels_that_leave_no_choice_are_not_doubted(labels: Any) -> None:
    answers = answers_of(labels, np.full((4, 2), 0.5, np.float32))
    assert summarise(answers, resamples=20).label_issues == 0
    assert to_table(answers)["label_score"].tolist() == [1.0] * 4


def test_without_answers_the_table_has_columns_and_no_row() -> None:
    assert to_table(None).empty and tuple(to_table(None).columns) == TABLE


def test_folds_are_trained_by_keras_as_the_plan_says(photos: tuple[Manifest, PreparedImages]) -> None:
    manifest, prepared = photos
    train = TrainConfig(epochs=3, learning_rate=0.05, early_stopping_patience=None)
    plan = replace(PLAN, model=ModelConfig(name="reference_a"), train=train)
    records = []
    answers = train_folds(
        prepared, manifest, plan, folds=2, on_fold=lambda fold, _: records.append(fold.record)
    )
    assert [record.epochs for record in records] == [3, 3]
    assert answers.probabilities.sum(axis=1) == pytest.approx(np.ones(54), abs=1e-5)
