"""What happens where the device's memory runs out: smaller batches, more of them to a step."""

from __future__ import annotations

import logging

from vision.errors import OutOfMemory
from vision.training.devices import devices_sharing, shareable
from vision.training.several_workers import this_worker
from vision.training_config import TrainConfig

logger = logging.getLogger("sightline.training")

# By name, so that neither TensorFlow nor JAX is imported: TensorFlow's error and Python's own (a processor's
# memory is the device's), then what XLA and CUDA write into errors of several classes.
CLASSES = ("ResourceExhaustedError", "MemoryError")
WORDS = ("RESOURCE_EXHAUSTED", "CUDA_ERROR_OUT_OF_MEMORY", "Out of memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error, or one that it followed, says that memory ran out.

    On JAX another may hide it: `fit` tidies up with arrays that the failed step has given away.
    """
    chain: BaseException | None = error
    while chain is not None:
        names = {kind.__name__ for kind in type(chain).__mro__}
        if names.intersection(CLASSES) or any(words in str(chain) for words in WORDS):
            return True
        chain = chain.__cause__ or chain.__context__
    return False


def with_smaller_batches(config: TrainConfig, error: Exception) -> TrainConfig:
    """`config` with half the batch and twice the batches a step, so that a step sees as many images.

    Raises `error` where it is about something else, and OutOfMemory where the batch is one image. So it does
    on one of several workers, because the others would go on with the batches that they have.
    """
    if not is_out_of_memory(error):
        raise error
    if this_worker().count > 1:
        raise OutOfMemory(
            f"the memory of one of {this_worker().count} workers does not hold its share of a batch of"
            f" {config.batch_size} images; set config.train.batch_size lower and accumulate higher, or"
            " config.train.workers higher"
        ) from error
    if config.batch_size == devices_sharing():
        raise OutOfMemory(
            "the device's memory does not hold a training step of one image; choose a smaller network"
            " (config.model), smaller images (config.prepare.image_size) or half precision"
            " (config.train.precision: auto)"
        ) from error
    smaller = {"batch_size": shareable(config.batch_size // 2), "accumulate": config.accumulate * 2}
    logger.warning(
        "the device's memory ran out with batches of %d images: the training starts again with batches of %d"
        " and %d of them a step; set config.train.batch_size and accumulate to have it so at once",
        config.batch_size, smaller["batch_size"], smaller["accumulate"],
    )  # fmt: skip
    return config.model_copy(update=smaller)
