"""What changes from epoch to epoch: sizes, mixing, and which images are seen."""

import numpy as np
import pytest

from vision.training.batches import Batches
from vision.training.curriculum import Curriculum, easiest
from vision.training.stages import Stage, stage_of
from vision.training_config import TrainConfig

ONE_CLASS = np.ones((8, 1), np.float32)


def test_images_grow_for_the_first_part_of_a_progressive_training():
    """60 % of 10 epochs in quarters of the way from half of 32 x 64 pixels, rounded to multiples of 4."""
    config = TrainConfig(epochs=10, first_size_share=0.5)
    sizes = [stage_of(epoch, config, (32, 64)).size for epoch in range(10)]
    assert sizes[:6] == [(16, 32), (16, 32), (20, 40), (24, 48), (24, 48), (28, 56)]
    assert sizes[6:] == [None] * 4


def test_images_have_their_size_without_progressive_resizing():
    assert stage_of(0, TrainConfig(epochs=3), (32, 32)) == Stage(None, mixes=True)


def test_mixing_ends_before_the_last_epochs():
    config = TrainConfig(epochs=5, mixing_off_epochs=2)
    assert [stage_of(epoch, config, (8, 8)).mixes for epoch in range(5)] == [True] * 3 + [False] * 2


def test_small_images_keep_a_side():
    config = TrainConfig(epochs=10, first_size_share=0.01)
    assert stage_of(0, config, (8, 8)).size == (4, 4)


def test_easiest_takes_the_share_of_each_class():
    targets = np.eye(2, dtype=np.float32)[[0, 0, 0, 0, 1, 1]]
    losses = np.array([0.4, 0.1, 0.3, 0.2, 9.0, 8.0])
    assert list(easiest(losses, targets, 0.5)) == [1, 3, 5]
    assert list(easiest(losses, targets, 0.51)) == [1, 2, 3, 4, 5]


def test_easiest_keeps_images_of_several_classes_and_of_none():
    targets = np.array([[1, 1], [1, 0], [0, 1], [0, 0], [0, 0]], np.float32)
    losses = np.array([3.0, 1.0, 2.0, 5.0, 4.0])
    assert list(easiest(losses, targets, 0.5)) == [1, 2, 4]


def numbers_in(batches):
    return np.concatenate([batches[index][0]["images"][:, 0, 0, 0] for index in range(len(batches))])


def numbered(count):
    """Images whose pixels are their number."""
    return np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)


@pytest.mark.parametrize(("epoch", "images"), [(0, 8), (1, 4), (2, 6), (3, 8)])
def test_curriculum_of_two_epochs_shows_half_then_three_quarters_then_all(epoch, images):
    batches = Batches(numbered(8), ONE_CLASS, batch_size=4, seed=1)
    curriculum = Curriculum(batches, None, ONE_CLASS, loss=None, epochs=2)
    curriculum.losses = np.arange(8.0) if epoch else None
    curriculum.on_epoch_begin(epoch)
    assert len(batches) == 2
    assert sorted(set(numbers_in(batches))) == list(range(images))


def test_batches_of_few_rows_repeat_them_evenly():
    batches = Batches(numbered(8), ONE_CLASS, batch_size=4, seed=1)
    batches.enter(1, np.array([2, 5]))
    assert sorted(numbers_in(batches)) == [2, 2, 2, 2, 5, 5, 5, 5]


def test_order_of_batches_follows_from_seed_and_epoch_alone():
    first, second = (Batches(numbered(8), ONE_CLASS, batch_size=4, seed=1) for _ in range(2))
    first.enter(1)
    first.enter(2)
    second.enter(2)
    assert np.array_equal(first[0][0]["images"], second[0][0]["images"])
