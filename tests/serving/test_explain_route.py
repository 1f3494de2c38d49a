"""POST /v1/explain: the right class's map over the right image, bounded, and without what draws plots."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace

import httpx
import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest
from matplotlib import colormaps
from PIL import Image

from registry.bundles import store_bundle
from registry.pointer import ChampionPointer, bundle_path, write_pointer
from serving.routes import explain
from serving.routes.explain import QUEUE
from tests.serving.in_process import InProcess, in_process
from vision.classifier import ImageClassifier
from vision.explanation import activation_maps, original_image, overlay_original
from vision.explanation.overlays import INFERNO
from vision.preprocessing import Preprocessing
from vision.runtimes.openvino_runtime import OpenVINORuntime

PATH = "/v1/explain"
RAW = {"content-type": "application/octet-stream"}


@pytest.fixture(scope="module")
def service(digits) -> Iterator[InProcess]:
    with in_process(digits.workspace) as service:
        yield service


def ask(service: InProcess, data: bytes, **options: object) -> httpx.Response:
    return service.post(PATH, content=data, headers=RAW, params=options)


def picture(response: httpx.Response) -> np.ndarray:
    assert (response.status_code, response.headers["content-type"]) == (200, "image/png")
    with Image.open(io.BytesIO(response.content), formats=["PNG"]) as image:
        return np.asarray(image)


def encode(width: int, height: int, kind: str = "PNG") -> bytes:
    pixels = np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def expected(champion: ImageClassifier, data: bytes, class_index: int) -> np.ndarray:
    images = champion.preprocessing.apply(data)[None]
    activation = activation_maps(champion, images, np.array([class_index])).maps[0]
    return overlay_original(data, activation, champion.preprocessing, max_side=1024)


@pytest.mark.parametrize("name", ["photo.jpg", "exif_6.jpg", "gray16.png", "cmyk.jpg", "one_pixel.png"])
def test_the_champions_class_is_explained(service, champion, encoded, name) -> None:
    likeliest = int(champion.classify(encoded[name]).argmax())

    response = ask(service, encoded[name])

    assert np.array_equal(picture(response), expected(champion, encoded[name], likeliest))
    assert response.headers["x-sightline-class"] == champion.class_names[likeliest]
    assert response.headers["x-sightline-method"] == "occlusion sensitivity"
    assert response.headers["x-sightline-version"] == "1"


def test_another_class_is_explained_where_it_is_asked_for(service, champion, encoded) -> None:
    data = encoded["photo.jpg"]

    pictures = [picture(ask(service, data, **{"class": name})) for name in ("two", "nueve")]

    assert np.array_equal(pictures[0], expected(champion, data, 2))
    assert np.array_equal(pictures[1], expected(champion, data, 9))
    assert not np.array_equal(*pictures)


def test_a_form_and_base64_are_read_as_by_classify(service, encoded) -> None:
    raw = ask(service, encoded["photo.jpg"])

    form = service.post(PATH, files={"image": encoded["photo.jpg"]})

    assert form.content == raw.content


@pytest.mark.parametrize(
    ("size", "options", "shown"),
    [
        ((90, 60), {}, (60, 90)),
        ((2000, 500), {}, (256, 1024)),
        ((90, 60), {"max_side": 45}, (30, 45)),
        ((90, 60), {"max_side": 1}, (1, 1)),
        ((1, 5000), {}, (1024, 1)),
        ((5000, 1), {"max_side": 2048}, (1, 2048)),
    ],
)
def test_the_picture_is_as_large_as_the_image_or_as_allowed(service, size, options, shown) -> None:
    assert picture(ask(service, encode(*size), **options)).shape == (*shown, 3)


REFUSED = {
    "unknown class": ({"class": "cat"}, RAW, encode(4, 4), 400, "bad_class"),
    "no class": ({"class": ""}, RAW, encode(4, 4), 400, "bad_class"),
    "no side": ({"max_side": "0"}, RAW, encode(4, 4), 400, "bad_max_side"),
    "a large side": ({"max_side": "2049"}, RAW, encode(4, 4), 400, "bad_max_side"),
    "no number": ({"max_side": "٣"}, RAW, encode(4, 4), 400, "bad_max_side"),
    "a long number": ({"max_side": "9" * 5000}, RAW, encode(4, 4), 400, "bad_max_side"),
    "no image": ({}, RAW, b"hello", 400, "not_an_image"),
    "cut short": ({}, RAW, encode(40, 40)[:-100], 400, "not_an_image"),
    "too many pixels": ({}, RAW, encode(1001, 1000), 413, "too_many_pixels"),
    "no type": ({}, {}, encode(4, 4), 415, "unsupported_type"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_request_is_refused(service, name) -> None:
    options, headers, body, status, code = REFUSED[name]

    response = service.post(PATH, content=body, headers=headers, params=options)

    assert (response.status_code, response.json()["error"]["code"]) == (status, code), response.text


def test_hostile_images_have_a_picture_or_a_refusal(service, encoded) -> None:
    answers = {name: ask(service, data) for name, data in encoded.items()}

    assert {answer.status_code for answer in answers.values()} <= {200, 400, 413}, answers


def test_an_unknown_class_is_answered_with_those_there_are(service) -> None:
    message = ask(service, encode(4, 4), **{"class": "cat"}).json()["error"]["message"]

    assert message.startswith('class "cat": one of 10 is allowed: zero, one, two')


def test_names_of_any_script_are_asked_for_and_told(registry) -> None:
    pointer = registry.store(1)
    known = ImageClassifier.load(bundle_path(registry.workspace, "digits", 1))
    named = replace(known, class_names=("größe", "数字", "a\r\nb", *known.class_names[3:]))
    digest = store_bundle(registry.workspace, "digits", 2, named, samples={}, description={})
    write_pointer(registry.workspace, ChampionPointer(pointer.model, 2, digest))

    with in_process(registry.workspace) as service:
        told = [
            ask(service, encode(4, 4), **{"class": name}).headers["x-sightline-class"]
            for name in named.class_names[:3]
        ]

    assert told == ["gr%C3%B6%C3%9Fe", "%E6%95%B0%E5%AD%97", "a%0D%0Ab"]


def split_runtime() -> OpenVINORuntime:
    """A convolution, its mean and a matrix, with the mark of where explanations may look in."""
    random = np.random.default_rng(3)
    images = op.parameter([-1, 8, 8, 3], np.float32, name="images")
    first = op.transpose(images, np.array([0, 3, 1, 2]))
    kernel = random.normal(0, 0.02, (5, 3, 3, 3)).astype(np.float32)
    maps = op.relu(op.convolution(first, kernel, [1, 1], [1, 1], [1, 1], [1, 1]))
    means = op.reduce_mean(maps, np.array([2, 3]))
    logits = op.matmul(means, random.normal(0, 1, (5, 10)).astype(np.float32), False, False)
    whole = OpenVINORuntime(ov.Model([op.result(logits)], [images], "convolution"), "float32")
    return whole.with_features(whole.places((8, 8, 5))[-1])


def test_a_model_that_can_be_looked_into_is_explained_by_what_it_saw(registry, encoded) -> None:
    registry.store(1)
    known = ImageClassifier.load(bundle_path(registry.workspace, "digits", 1)).with_runtime(split_runtime())
    digest = store_bundle(registry.workspace, "digits", 2, known, samples={}, description={})
    write_pointer(registry.workspace, ChampionPointer("digits", 2, digest))

    with in_process(registry.workspace) as service:
        response = ask(service, encoded["photo.jpg"], **{"class": "two"})

    assert response.headers["x-sightline-method"] == "ReciproCAM"
    assert np.array_equal(picture(response), expected(known, encoded["photo.jpg"], 2))


def test_a_label_is_explained(registry) -> None:
    replace(registry, task="multi_label", thresholds=(0.5,) * 10).promote(1)

    with in_process(registry.workspace) as service:
        response = ask(service, encode(90, 60), **{"class": "two"})

    assert picture(response).shape == (60, 90, 3)


def test_explanations_wait_for_one_another_and_answers_for_none(digits, monkeypatch) -> None:
    may_end, started = threading.Event(), threading.Semaphore(0)

    def held_up(*arguments):
        started.release()
        assert may_end.wait(20)
        return activation_maps(*arguments)

    monkeypatch.setattr(explain, "activation_maps", held_up)
    with in_process(digits.workspace, threads=1) as service:
        threads = [threading.Thread(target=ask, args=(service, encode(4, 4))) for _ in range(1 + QUEUE)]
        for thread in threads:
            thread.start()
        while service.state.explainers.pending < 1 + QUEUE:
            threading.Event().wait(0.001)

        refused, answered = (
            ask(service, encode(4, 4)),
            service.post("/v1/classify", content=encode(4, 4), headers=RAW),
        )

        may_end.set()
        for thread in threads:
            thread.join()
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "overloaded")
    assert answered.status_code == 200
    assert started.acquire(timeout=0)


def test_openapi_describes_the_picture(service) -> None:
    described = service.get("/openapi.json").json()["paths"][PATH]["post"]

    assert list(described["responses"]["200"]["content"]) == ["image/png"]
    assert {parameter["name"] for parameter in described["parameters"]} == {"class", "max_side"}
    side = next(each["schema"] for each in described["parameters"] if each["name"] == "max_side")
    assert (side["default"], side["maximum"]) == (explain.DEFAULT_MAX_SIDE, explain.LARGEST_SIDE)


def test_an_explanation_loads_nothing_that_trains_or_plots(digits) -> None:
    program = (
        "import sys, numpy as np; from pathlib import Path; from registry.bundles import load_bundle;"
        "import serving.routes.explain; from vision.explanation import activation_maps, overlay_original;"
        "data, champion = sys.stdin.buffer.read(), load_bundle(Path(sys.argv[1]));"
        "images = champion.preprocessing.apply(data)[None];"
        "found = activation_maps(champion, images, np.array([0]));"
        "overlay_original(data, found.maps[0], champion.preprocessing, max_side=64);"
        "sys.exit(', '.join({'matplotlib', 'keras', 'tensorflow', 'scipy', 'pandas'} & sys.modules.keys()))"
    )
    folder = bundle_path(digits.workspace, "digits", 1)

    done = subprocess.run([sys.executable, "-c", program, folder], input=encode(90, 60), capture_output=True)

    assert done.stderr.decode().strip() == ""


def test_colours_are_matplotlibs() -> None:
    colours = colormaps["inferno"](np.arange(256), bytes=True)[:, :3]

    assert np.abs(INFERNO.astype(int) - colours).max() <= 1  # it cuts where we round


def test_a_large_photograph_is_shown_as_if_it_had_been_decoded_whole() -> None:
    rows, columns = np.mgrid[0:800, 0:1200]
    pixels = np.stack([rows // 4, columns // 5, (rows // 50 + columns // 50) % 2 * 200], axis=2)
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "JPEG", quality=95)
    whole = Image.open(buffer).convert("RGB").resize((150, 100), Image.Resampling.LANCZOS)

    shown = original_image(buffer.getvalue(), Preprocessing(), max_side=150)

    assert shown.shape == (100, 150, 3)
    assert np.abs(shown.astype(int) - np.asarray(whole)).mean() < 1.5
