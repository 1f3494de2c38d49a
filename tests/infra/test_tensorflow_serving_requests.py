"""The example requests and clients, sent for real to a stand-in for TensorFlow Serving with two versions."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from infra.tensorflow_serving.model_config import write_model
from infra.tensorflow_serving.placing import place_export
from infra.tensorflow_serving.requests import grpc_client, rest_client
from infra.tensorflow_serving.requests.__main__ import main
from tests.infra.serving_exports import COLOURS, SURE, export_colours, png
from tests.infra.tensorflow_serving_double import serving

REQUESTS = Path(rest_client.__file__).parent
CLIENTS = {"rest": rest_client.classify, "grpc": grpc_client.classify}
# What the canary calls red, green and blue: so the version that answered is seen.
CANARY = ("rouge", "vert", "bleu")


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Version 3 is stable; version 4, the canary, is the newest."""
    folder = tmp_path_factory.mktemp("serving")
    for version, names in ((3, COLOURS), (4, CANARY)):
        place_export(export_colours(folder / f"export-{version}", names), folder / "colours", version)
    config = folder / "models.config"
    write_model(config, "colours", str(folder / "colours"), {"stable": 3, "canary": 4})
    with serving(config) as (rest, grpc_address):
        yield {"rest": rest, "grpc": grpc_address}


@pytest.fixture(params=CLIENTS)
def api(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def post(place: str, content: bytes) -> Any:
    with urllib.request.urlopen(urllib.request.Request(place, content)) as response:
        return json.load(response)


@pytest.mark.parametrize(("label", "names"), [("stable", COLOURS), ("canary", CANARY), (None, CANARY)])
def test_a_client_is_answered_by_the_version_of_its_label(
    api: str, addresses: dict[str, str], label: str | None, names: tuple[str, ...]
) -> None:
    files = [png(colour) for colour in ("blue", "red")]
    answers = CLIENTS[api](addresses[api], "colours", files, label)
    assert answers == [(names[2], pytest.approx(SURE, abs=1e-6)), (names[0], pytest.approx(SURE, abs=1e-6))]


def test_the_command_prints_a_line_a_file(
    api: str, addresses: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    for file, colour in zip(files, ("green", "red"), strict=True):
        file.write_bytes(png(colour))
    main([api, addresses[api], "colours", *map(str, files), "--label", "stable"])
    assert capsys.readouterr().out == f"{files[0]}: green 0.999\n{files[1]}: red 0.999\n"


@pytest.mark.parametrize("file", sorted(REQUESTS.glob("*.json")), ids=lambda file: file.name)
def test_a_request_file_is_answered_row_by_row(addresses: dict[str, str], file: Path) -> None:
    place = f"{addresses['rest']}/v1/models/colours/versions/3:predict"
    predictions = post(place, file.read_bytes())["predictions"]
    assert len(predictions) == len(json.loads(file.read_text())["instances"])
    if file.name == "names.json":
        assert predictions == list(COLOURS)
    else:  # a gray image: no colour is more probable than another
        assert predictions[0]["probabilities"] == [pytest.approx(1 / 3, abs=1e-6)] * 3


def test_pixels_are_taken_by_rest_too(addresses: dict[str, str]) -> None:
    blue = [[[0, 0, 255]] * 16] * 16
    place = f"{addresses['rest']}/v1/models/colours/labels/stable:predict"
    answers = post(place, json.dumps({"instances": [blue]}).encode())["predictions"]
    assert answers[0]["probabilities"][2] == pytest.approx(SURE, abs=1e-6)
    assert answers[0]["logits"] == pytest.approx([0, 0, 8])


def test_an_unknown_label_or_a_broken_file_is_an_error_with_the_servers_words(
    addresses: dict[str, str],
) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        rest_client.classify(addresses["rest"], "colours", [png("red")], "next")
    with pytest.raises(urllib.error.HTTPError, match="400"):
        rest_client.classify(addresses["rest"], "colours", [png("red"), b"no image"])
    with pytest.raises(grpc.RpcError, match="Unrecognized servable version label: next"):
        grpc_client.classify(addresses["grpc"], "colours", [png("red")], "next")
    with pytest.raises(grpc.RpcError) as error:
        grpc_client.classify(addresses["grpc"], "colours", [png("red"), b"no image"])
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
