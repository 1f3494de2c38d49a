"""A TensorFlow Dataset, written once as class folders with its original bytes.

From there on it is treated like any user's folder. TensorFlow Datasets downloads and prepares it first, below
TFDS_DATA_DIR or ~/tensorflow_datasets, and asks its data set's own servers for it.
"""

from __future__ import annotations

import difflib
import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from vision.bundle import atomic_folder
from vision.data_config import DataConfig
from vision.errors import DataError
from vision.parallel import progress_bar
from vision.sources import class_folders
from vision.sources.checks import first_names
from vision.sources.listing import Listing

logger = logging.getLogger(__name__)

WHERE = "set config.data.name in the YAML"
EXAMPLE = 'such as "mnist", "mnist:3.*.*" or "eurosat/rgb"'
JPEG_START = b"\xff\xd8\xff"


def list_images(data: DataConfig, data_folder: Path) -> Listing:
    """The images below `data_folder`/tfds/NAME, written there first where they are missing.

    DataError where there is no such data set, where it cannot be had, or where its images have no label.
    """
    if not data.name:
        raise DataError(f"no TensorFlow Dataset given: allowed is a name {EXAMPLE}; {WHERE}")
    folder = data_folder / "tfds" / re.sub(r"[^\w.]+", "-", data.name.replace("*", "x"))
    if not folder.exists():
        with atomic_folder(folder) as temporary:
            _write_dataset(data.name, temporary)
    return class_folders.list_images(data.model_copy(update={"path": str(folder)}), data_folder)


def _write_dataset(name: str, folder: Path) -> None:
    builder = _builder(name)
    image = _feature(name, builder, "image", "Image")
    label = _feature(name, builder, "label", "ClassLabel")
    _prepare(name, builder)
    for split, subfolder in _split_folders(name, tuple(builder.info.splits)).items():
        _write_split(builder, split, folder / subfolder, image=image, label=label)


def _builder(name: str) -> Any:
    import tensorflow_datasets

    try:
        return tensorflow_datasets.builder(name, data_dir=os.environ.get("TFDS_DATA_DIR") or None)
    except tensorflow_datasets.core.registered.DatasetNotFoundError as error:
        known = tensorflow_datasets.list_builders(with_community_datasets=False)
        near = difflib.get_close_matches(re.split(r"\W", name)[0], known, n=5)
        hint = f"did you mean {', '.join(near)}" if near else f"allowed is a name {EXAMPLE}"
        raise DataError(f'no TensorFlow Dataset "{name}": {hint}; {WHERE}') from error
    except Exception as error:  # names that cannot be parsed, versions and configurations that do not exist
        raise DataError(
            f'no TensorFlow Dataset "{name}": {_first_line(error)}; {WHERE}, {EXAMPLE}'
        ) from error


def _feature(name: str, builder: Any, key: str, kind: str) -> str:
    """The feature called `key`, or else the only one of its kind."""
    features: dict[str, Any] = dict(builder.info.features)
    kinds = {feature: type(value).__name__ for feature, value in features.items()}
    found = [feature for feature in kinds if kinds[feature] == kind]
    if key in found:
        return key
    if len(found) != 1:
        shown = ", ".join(f"{feature} ({kinds[feature]})" for feature in sorted(kinds))
        raise DataError(
            f'TensorFlow Dataset "{name}" cannot be used to classify images: needed is one feature of kind'
            f" {kind}, it has {len(found)} of {shown}; {WHERE}"
        )
    return found[0]


def _prepare(name: str, builder: Any) -> None:
    logger.info("Preparing %s; without a network TensorFlow Datasets gives up after some minutes", name)
    try:
        with _silence():
            builder.download_and_prepare()
    except Exception as error:  # of requests, of the builders, of their archives
        raise DataError(
            f'TensorFlow Dataset "{name}" cannot be downloaded or prepared ({_first_line(error)}): check the'
            f" network, or set TFDS_DATA_DIR to a folder that holds it prepared, or {WHERE}"
        ) from error


@contextmanager
def _silence() -> Iterator[None]:
    """No tqdm bars, no announcements, and not one warning for each of ten attempts to reach a server."""
    import tensorflow_datasets

    attempts = logging.getLogger("urllib3.connectionpool")
    level = attempts.level
    tensorflow_datasets.disable_progress_bar()
    attempts.setLevel(logging.ERROR)
    try:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # noqa: PTH123 - no path
            yield
    finally:
        attempts.setLevel(level)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


def _split_folders(name: str, splits: Sequence[str]) -> dict[str, str]:
    """Split -> the folder for its class folders; a single split has "", so that Sightline splits it."""
    known = {
        split: class_folders.SPLIT_FOLDERS[split] for split in splits if split in class_folders.SPLIT_FOLDERS
    }
    passed = set(splits) - set(known)
    if len(splits) == 1 or len(known) == 1:
        known = dict.fromkeys(known or splits, "")
    if "train" not in known and "" not in known.values():
        raise DataError(
            f'TensorFlow Dataset "{name}" has no split train, only {first_names(splits)}; {WHERE}'
        )
    if passed - set(known):
        logger.warning("%s: only %s are read, passed over: %s", name, first_names(known), first_names(passed))
    return known


def _write_split(builder: Any, split: str, folder: Path, *, image: str, label: str) -> None:
    import tensorflow_datasets as tfds

    # No other feature is read, and the image stays as it was encoded.
    decoders = tfds.decode.PartialDecoding(
        {image: True, label: True}, decoders={image: tfds.decode.SkipDecoding()}
    )
    examples = tfds.as_numpy(builder.as_dataset(split=split, decoders=decoders))
    folders = [folder / name for name in _folder_names(builder.info.features[label].names)]
    unlabelled = 0
    with progress_bar() as bar:
        task = bar.add_task(f"Writing {split}", total=builder.info.splits[split].num_examples)
        for number, example in enumerate(examples):
            bar.advance(task)
            if example[label] < 0:  # so TensorFlow Datasets says that a test set's labels are kept secret
                unlabelled += 1
                continue
            _write_image(folders[example[label]], number, example[image])
    if unlabelled:
        logger.warning("%s: %d images of %s have no label: passed over", builder.name, unlabelled, split)


def _folder_names(class_names: Sequence[str]) -> list[str]:
    """Names that a folder can have, hidden ones made visible; still one for each class."""
    names = [re.sub(r"^\.", "_", re.sub(r"[/\\\0]", "_", name)) for name in class_names]
    return [f"{name}_{place}" if name in names[:place] else name for place, name in enumerate(names)]


def _write_image(folder: Path, number: int, data: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # Only these two are stored; the ending makes it an image, what it is says its content.
    suffix = ".jpg" if data.startswith(JPEG_START) else ".png"
    (folder / f"{number:07d}{suffix}").write_bytes(data)
