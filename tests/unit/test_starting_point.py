"""A glance at a data set, the configuration that it suggests, and the YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from PIL import Image

from vision.config import Config
from vision.config_file import load_config
from vision.data_config import DataConfig
from vision.errors import ConfigError, DataError
from vision.glance import glance, look_at
from vision.manifest import COLUMNS, Manifest
from vision.sources.listing import ListedImage, Listing
from vision.starting_from_weights import Pretrained, find_pretrained, pretrained_from
from vision.starting_plan import Machine
from vision.starting_point import StartingPoint, name_for, suggest_config
from vision.starting_point_file import write_starting_point

ROOT = Path(__file__).resolve().parents[2]
FOLDER = DataConfig(source="class_folders", path="photos")


def make_manifest(images: int = 1000, classes: int = 4, **columns: Any) -> Manifest:
    """Readable RGB photos of 200 x 200 pixels, the classes in turn; `columns` says what is otherwise."""
    row = dict.fromkeys(COLUMNS, "") | {"width": 200, "height": 200, "mode": "RGB", "is_readable": True}
    table = pd.DataFrame([row] * images).assign(label=[f"class {n % classes}" for n in range(images)])
    is_multi_label = bool(columns.pop("is_multi_label", False))
    return Manifest("/photos", table.assign(**columns), is_multi_label)


def suggest(manifest: Manifest, **machine: Any) -> StartingPoint:
    pretrained = machine.pop("pretrained", None)
    cores, has_gpu = machine.get("cores", 2), machine.get("has_gpu", False)
    return suggest_config(
        manifest, FOLDER, name="photos", machine=Machine(cores, has_gpu), pretrained=pretrained
    )


def loaded(point: StartingPoint, folder: Path) -> Config:
    path = folder / "run.yaml"
    path.write_text(write_starting_point(point))
    return load_config(path)


# Of 200 images, 128 are for training; 20 epochs of the side are affordable on two cores in every row.
@pytest.mark.parametrize(
    ("width", "height", "has_gpu", "expected"),
    [
        (8, 8, False, 8),
        (16, 12, False, 12),
        (28, 28, False, 28),
        (33, 40, False, 32),
        (127, 95, False, 64),
        (640, 480, False, 96),
        (640, 480, True, 224),
        (150, 200, True, 128),
        (5, 5, False, 8),  # the least that the network takes
    ],
)
def test_side_is_sensible_and_not_above_the_images(
    width: int, height: int, has_gpu: bool, expected: int
) -> None:
    manifest = make_manifest(200, width=width, height=height)
    assert suggest(manifest, has_gpu=has_gpu).config.prepare.image_size == (expected, expected)


def test_many_images_are_made_smaller_and_trained_for_fewer_epochs() -> None:
    few, many = suggest(make_manifest(4000)), suggest(make_manifest(60_000))
    # 96 pixels, stem of 2: 2,304 positions x 2,560 images / 280,000 a second = 21.1 s; 900 / 21.1 = 42.
    assert (few.config.prepare.image_size, few.config.train.epochs) == ((96, 96), 42)
    assert "about 15 min of training on 2 cores" in few.reasons["train.epochs"]
    # 32 pixels, stem of 2: 256 positions x 38,400 images / 280,000 a second = 35.1 s; 900 / 35.1 = 25.
    assert (many.config.prepare.image_size, many.config.train.epochs) == ((32, 32), 25)
    assert "smaller for 20 epochs" in many.reasons["prepare.image_size"]


def test_more_cores_afford_more() -> None:
    assert suggest(make_manifest(6000), cores=4).config.train.epochs == 50  # the most
    assert suggest(make_manifest(6000), cores=1).config.prepare.image_size == (64, 64)


WEIGHTS = Pretrained("weights/mobilenetv2_1.0_224_imagenet_notop.weights.h5", 1.0)


# Two cores see 3.67 million pixels a second. Of 4,000 images 2,560 are for training: a pass at 224 pixels
# takes 35.0 s, and of the 25.7 passes in 900 s two are for the head and 3.25 for each epoch.
@pytest.mark.parametrize(
    ("images", "side", "expected"),
    [
        (500, 640, (224, 10)),  # the recipe's own epochs are the most
        (4000, 640, (224, 7)),
        (4000, 150, (128, 10)),
        (4000, 60, (96, 10)),  # enlarged
        (60_000, 640, (96, 3)),
    ],
)
def test_photos_are_fine_tuned_as_large_as_time_allows(
    images: int, side: int, expected: tuple[int, int], tmp_path: Path
) -> None:
    point = suggest(make_manifest(images, width=side, height=side), pretrained=WEIGHTS)
    config = loaded(point, tmp_path)
    assert (config.prepare.image_size[0], config.train.epochs) == expected
    assert (config.model.name, config.model.weights) == ("mobilenet_v2", WEIGHTS.path)
    assert (config.train.recipe, config.train.fine_tune is None) == ("fine_tune", False)
    assert (config.quality.embedding, config.quality.weights) == ("mobilenet_v2", WEIGHTS.path)
    assert point.advice == ""


def test_of_too_many_photos_the_head_alone_is_trained(tmp_path: Path) -> None:
    config = loaded(suggest(make_manifest(200_000), pretrained=WEIGHTS), tmp_path)
    assert config.train.fine_tune
    assert config.train.fine_tune.unfrozen_share == 0


def test_width_of_the_weights_is_that_of_the_network() -> None:
    config = suggest(make_manifest(), pretrained=Pretrained("narrow.h5", 0.35)).config
    assert (config.model.options, config.quality.alpha) == ({"alpha": 0.35}, 0.35)


def test_recipes_values_are_not_repeated() -> None:
    text = write_starting_point(suggest(make_manifest(), pretrained=WEIGHTS))
    train = yaml.safe_load(text)["parameters"]["config"]["train"]
    assert set(train) == {"recipe", "epochs"}


def test_photos_without_weights_say_what_would_help() -> None:
    point = suggest(make_manifest())
    text = " ".join(write_starting_point(point).replace("#", "").split())
    assert point.config.model.name == "residual"
    assert point.advice in text
    for words in ("SIGHTLINE_WEIGHTS", "--weights", "mobilenet_v2_weights_tf_dim_ordering"):
        assert words in point.advice
    assert suggest(make_manifest(width=28, height=28, mode="L"), pretrained=WEIGHTS).advice == ""


# On two cores 390 images of 32 x 32 a second by the wide network, 1,150 by the narrow one, for 900 s.
@pytest.mark.parametrize(
    ("images", "side", "expected"),
    [
        (60_000, 32, ("fast", 32, 64, 9)),  # 38,400 for training: 900 * 390 / 38,400 = 9.1 epochs
        (80_000, 40, ("fast", 32, 32, 20)),  # 51,200: wide 6.9 are too few, narrow 20.2
        (500_000, 32, ("fast", 32, 32, 5)),  # 320,000: narrow 3.2, and five are the least
        (20_000, 32, ("thorough", 32, 64, 27)),  # 12,800: 27.4
        (4000, 28, ("thorough", 28, 64, 60)),  # the recipe's own are the most
    ],
)
def test_many_small_photos_take_the_fast_network(images: int, side: int, expected: object) -> None:
    config = suggest(make_manifest(images, width=side, height=side)).config
    found = (config.train.recipe, config.prepare.image_size[0], config.model.options["width"])
    assert (*found, config.train.epochs) == expected


def test_rare_classes_count_more(tmp_path: Path) -> None:
    uneven = ["rose"] * 860 + ["tulip"] * 140  # 6.1 to 1
    point = suggest(make_manifest(label=uneven))
    assert loaded(point, tmp_path).train.class_weights == "balanced"
    assert "6 times" in point.reasons["train.class_weights"]
    even = suggest(make_manifest(label=["rose"] * 830 + ["tulip"] * 170))  # 4.9 to 1
    assert even.config.train.class_weights == "none"


@pytest.mark.parametrize("pretrained", [WEIGHTS, None])
@pytest.mark.parametrize("side", [28, 32, 200])
def test_several_labels_are_never_smoothed(pretrained: Pretrained | None, side: int, tmp_path: Path) -> None:
    labels = ["cat|dog", "dog"] * 5000
    manifest = make_manifest(10_000, label=labels, is_multi_label=True, width=side, height=side)
    train = loaded(suggest(manifest, pretrained=pretrained), tmp_path).train
    assert (train.label_smoothing, train.loss) == (0.0, "cross_entropy")


def test_weights_are_found_in_the_named_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "none"))
    assert find_pretrained() is None
    narrow = tmp_path / "mobilenetv2_0.35_224_imagenet_notop.weights.h5"
    narrow.touch()
    assert find_pretrained() == Pretrained(str(narrow), 0.35)
    wide = tmp_path / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
    wide.touch()
    assert find_pretrained() == Pretrained(str(wide), 1.0)


@pytest.mark.parametrize(
    ("name", "alpha"),
    [
        ("mobilenetv2_1.0_224_imagenet_dequant_notop.weights.h5", 1.0),
        ("mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.75_224_no_top.h5", 0.75),
    ],
)
def test_width_is_read_from_the_name_of_the_file(name: str, alpha: float, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    assert pretrained_from(tmp_path / name) == Pretrained(str(tmp_path / name), alpha)


@pytest.mark.parametrize(
    ("name", "words"),
    [("mobilenetv2_1.0_224.h5", "is no file"), ("vgg16_notop.h5", "width of a MobileNetV2")],
)
def test_file_that_cannot_be_the_weights_is_refused(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "vgg16_notop.h5").touch()
    with pytest.raises(ConfigError, match=rf"--weights .*{words}.*mobilenetv2_1.0_224"):
        pretrained_from(tmp_path / name)


@pytest.mark.parametrize(
    ("images", "batch_size", "filters"), [(700, 16, 16), (1000, 32, 32), (20_000, 64, 32)]
)
def test_batches_and_filters_grow_with_the_images(images: int, batch_size: int, filters: int) -> None:
    config = suggest(make_manifest(images)).config
    assert (config.train.batch_size, config.model.options["filters"]) == (batch_size, filters)


def test_digits_are_not_mirrored_and_photos_are() -> None:
    digits = suggest(make_manifest(width=28, height=28, mode="L")).config
    assert (digits.augment.horizontal_flip, digits.model.options["dropout"]) == (False, 0.0)
    assert suggest(make_manifest(width=28, height=28)).config.augment.horizontal_flip
    assert suggest(make_manifest(mode="L")).config.augment.horizontal_flip


def test_shapes_that_differ_are_cropped() -> None:
    widths = [200, 400] * 500
    assert suggest(make_manifest(width=400)).config.prepare.resize == "stretch"
    assert suggest(make_manifest(width=widths)).config.prepare.resize == "crop"


def test_gate_is_above_the_largest_class() -> None:
    labels = ["rose"] * 800 + ["tulip"] * 200
    assert suggest(make_manifest(label=labels)).config.promote.min_accuracy == 0.82  # 0.8 + 0.2 / 10


def test_split_of_the_source_is_kept() -> None:
    splits = ["train"] * 600 + ["test"] * 400
    point = suggest(make_manifest(split=splits))
    assert "split:" not in write_starting_point(point)
    assert "600 training images" in point.reasons["train.batch_size"]
    assert "split:" in write_starting_point(suggest(make_manifest()))


def test_multi_label_is_said_and_not_smoothed(tmp_path: Path) -> None:
    labels = ["cat|dog", "dog"] * 500
    config = loaded(suggest(make_manifest(label=labels, is_multi_label=True)), tmp_path)
    assert (config.data.task, config.train.label_smoothing) == ("multi_label", 0.0)
    assert config.promote.min_accuracy == 0.55  # the commoner of two equal sets of labels, 0.5 + 0.5 / 10


def test_what_was_not_looked_at_has_no_size() -> None:
    manifest = make_manifest(
        4, width=[0, 50, 0, 50], height=[0, 50, 0, 50], is_readable=[True, True, False, True]
    )
    assert (look_at(manifest).median_side, look_at(manifest).images) == (50, 4)


def test_nothing_readable_is_an_error_with_the_reason() -> None:
    manifest = make_manifest(3, width=0, height=0, is_readable=False, reason="none of JPEG")
    with pytest.raises(DataError, match=r"none of the 3 images of /photos is readable \(none of JPEG\)"):
        suggest(manifest)


@pytest.mark.parametrize("images", [5, 300, 100_000])
@pytest.mark.parametrize("side", [1, 16, 100, 4000])
@pytest.mark.parametrize("has_gpu", [False, True])
@pytest.mark.parametrize("pretrained", [WEIGHTS, None])
def test_yaml_is_the_suggestion(
    images: int, side: int, has_gpu: bool, pretrained: Pretrained | None, tmp_path: Path
) -> None:
    manifest = make_manifest(images, width=side, height=side)
    point = suggest(manifest, has_gpu=has_gpu, pretrained=pretrained)
    assert loaded(point, tmp_path) == point.config


@pytest.mark.parametrize("pretrained", [WEIGHTS, None])
def test_yaml_has_the_order_and_resources_of_the_default(pretrained: Pretrained | None) -> None:
    text = write_starting_point(suggest(make_manifest(), pretrained=pretrained))
    document, default = yaml.safe_load(text), yaml.safe_load((ROOT / "zenml_config.yaml").read_text())
    sections = list(document["parameters"]["config"])
    assert sections == [name for name in default["parameters"]["config"] if name in sections]
    assert document["steps"] == default["steps"]
    assert max(map(len, text.splitlines())) <= 110


@pytest.mark.parametrize("side", [28, 32, 200])
@pytest.mark.parametrize("pretrained", [WEIGHTS, None])
def test_every_reason_stands_above_its_value(side: int, pretrained: Pretrained | None) -> None:
    point = suggest(make_manifest(5000, width=side, height=side), pretrained=pretrained)
    lines = write_starting_point(point).splitlines()
    for key, reason in point.reasons.items():
        places = [n for n, line in enumerate(lines) if line.strip().startswith(f"{key.partition('.')[2]}: ")]
        above = [lines[place - 1].strip() for place in places]
        assert any(line.startswith("# ") and line.removeprefix("# ") in reason for line in above)


def test_odd_paths_survive_the_yaml(tmp_path: Path) -> None:
    path = 'my photos: # 1/Äpfel "x" [y]'
    data = DataConfig(source="table", path=path + ".csv", images=path)
    point = suggest_config(make_manifest(), data, name="on", machine=Machine(2, False), pretrained=None)
    assert loaded(point, tmp_path).data == data


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/data/Flowers", "flowers"),
        ("/data/My Blood Cells (2)/", "my-blood-cells-2"),
        ("/data/bccd/labels.csv", "bccd"),
        ("s3://bucket/birds/train", "birds"),
        ("/data/_x", "x"),
        ("/data/" + "a" * 80, "a" * 63),
    ],
)
def test_name_is_made_from_the_path(source: str, name: str) -> None:
    assert name_for(source) == name


def test_path_without_a_name_asks_for_one() -> None:
    with pytest.raises(ConfigError, match="--name"):
        name_for("/画像/写真")


@pytest.fixture
def listing(tmp_path: Path) -> Listing:
    """Twenty gray images of 30 x 20 pixels; the third is text, the fourth a gigapixel by its header."""
    rows = []
    for number in range(20):
        path = tmp_path / f"{number:02d}.png"
        Image.new("L", (30, 20)).save(path)
        rows.append(ListedImage(path.name, "ab"[number % 2], "", path.stat().st_size, 1))
    (tmp_path / "02.png").write_text("hello")
    Image.new("1", (20_000, 5000)).save(tmp_path / "03.png")
    return Listing(str(tmp_path), tuple(rows))


def test_glance_reads_headers_and_counts_the_unreadable(listing: Listing) -> None:
    manifest = glance(listing)
    table = manifest.table
    assert list(table.columns) == list(COLUMNS)
    assert set(table.loc[table["is_readable"], "width"]) == {30}
    assert table.loc[~table["is_readable"], "path"].tolist() == ["02.png", "03.png"]
    assert table.loc[2, "reason"] == "none of JPEG, PNG, WEBP, BMP, GIF, TIFF"
    assert "pixels" in str(table.loc[3, "reason"])
    assert look_at(manifest).gray_share == 1.0


def test_glance_opens_some_images_and_lists_all(listing: Listing) -> None:
    table = glance(listing, at_most=5).table
    assert table.index[table["width"] > 0].tolist() == [0, 4, 8, 12, 16]
    assert table["is_readable"].all()
    assert table["label"].value_counts().to_dict() == {"a": 10, "b": 10}


def test_glance_outlives_files_that_are_gone(listing: Listing, tmp_path: Path) -> None:
    (tmp_path / "05.png").unlink()
    table = glance(listing).table
    assert not table.loc[5, "is_readable"]
    assert "FileNotFoundError" in str(table.loc[5, "reason"])


@pytest.mark.slow  # TensorFlow's import
@pytest.mark.parametrize("images", [200, 20_000])
@pytest.mark.parametrize("side", [1, 8, 17, 24, 31, 32, 47, 64, 96, 224])
def test_suggested_network_can_be_built(images: int, side: int) -> None:
    from models import ARCHITECTURES

    config = suggest(make_manifest(images, width=side, height=side), has_gpu=True).config
    shape = (*config.prepare.image_size, 3)
    network = ARCHITECTURES[config.model.name].build(shape, 4, **config.model.options)
    assert network.output_shape == (None, 4)
    assert network.get_layer("features").input.shape[1] >= 2


@pytest.mark.slow
@pytest.mark.parametrize("width", ["0.35_224_imagenet", "1.0_224_imagenet_dequant"])
def test_suggested_network_takes_the_weights(width: str) -> None:
    from vision.pretrained import build_pretrained

    file = ROOT.parent / "shared" / "data" / "weights" / f"mobilenetv2_{width}_notop.weights.h5"
    if not file.exists():
        pytest.skip("the development data weights are not beside the repository")
    model = suggest(make_manifest(), pretrained=pretrained_from(file)).config.model
    network = build_pretrained(model.name, (96, 96, 3), 4, weights=model.weights, options=model.options)
    assert network.output_shape == (None, 4)
