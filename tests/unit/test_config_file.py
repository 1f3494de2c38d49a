"""A run file becomes a Config, or one line for each mistake."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vision.config import Config
from vision.config_file import load_config
from vision.errors import ConfigError


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    return path


def config_lines(tmp_path: Path, tree: str) -> list[str]:
    """The message's lines, without the file's name."""
    path = write(tmp_path, f"parameters:\n  config: {tree}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    return [line.removeprefix(f"{path}: ") for line in lines]


def test_file_becomes_config(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "enable_cache: true\nsettings: {}\nparameters:\n  config:\n    name: flowers\n"
        "    train: {epochs: 3, learning_rate: 1e-3}\n",
    )
    config = load_config(path)

    assert (config.name, config.train.epochs, config.train.learning_rate) == ("flowers", 3, 0.001)
    assert config.schedule == Config().schedule


def test_empty_tree_is_the_defaults(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "parameters: {config: {}}")) == Config()


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (
            "{data: {source: cvs}}",
            r'^config\.data: unknown source "cvs": choose one of class_folders, digits, table, tfds; set',
        ),
        (
            "{model: {name: residual, options: {filterz: 3}}}",
            r'^config\.model: unknown option of residual "filterz": choose one of blocks, .* set conf',
        ),
        (
            "{model: {name: residual, options: {filters: many}}}",
            r"^config\.model: filters is 'many', allowed is a number \(int\); set config\.model\.opt",
        ),
        (
            "{model: {name: reference_b}, prepare: {image_size: [32, 8]}}",
            r"^config: prepare\.image_size is 32 x 8 pixels, but reference_b needs 16 x 16 at least; set",
        ),
        (
            "{train: {epoch: 3}}",
            r'config\.train\.epoch: unknown key; did you mean "epochs"; allowed are recipe, epo',
        ),
        ("{trian: {}}", r'config\.trian: unknown key; did you mean "train"; allowed are name, seed, data'),
        ("{train: {epochs: ten}}", r'config\.train\.epochs: received "ten": input should be a valid integer'),
        ("{train: {epochs: 0}}", r"config\.train\.epochs: received 0: .*greater than or equal to 1"),
        ("{train: {optimizer: adma}}", r"received \"adma\": input should be 'adam', 'adamw' or 'sgd'"),
        ("{train: 3}", r"config\.train: received 3, allowed is a section of recipe, epochs, batch_size"),
        ("{train: }", r"config\.train: received null, allowed is a section of"),
        ("{prepare: {image_size: [32, x]}}", r'config\.prepare\.image_size\[1\]: received "x"'),
        ("{name: My Model}", r'config\.name: received "My Model": string should match'),
    ],
)
def test_mistake_is_one_line(tmp_path: Path, tree: str, expected: str) -> None:
    (line,) = config_lines(tmp_path, tree)

    assert re.search(expected, line), line


def test_unknown_architecture_is_named_with_the_choices(tmp_path: Path) -> None:
    from models import ARCHITECTURES

    (line,) = config_lines(tmp_path, "{model: {name: resnt}}")

    assert 'unknown architecture "resnt"' in line
    assert all(name in line for name in ARCHITECTURES)


def test_every_mistake_is_named(tmp_path: Path) -> None:
    lines = config_lines(tmp_path, "{seed: -1, tran: {}, tune: {trials: many}}")

    assert sorted(line.split(":")[0] for line in lines) == [
        "config.seed",
        "config.tran",
        "config.tune.trials",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("paramters: {config: {}}", 'paramters: unknown key; did you mean "parameters"'),
        ("parameters: {confg: {}}", "parameters: has no section config"),
        ("parameters: {config: {seed: 1, seed: 2}}", '"seed" stands twice'),
        ("parameters: [", "is not YAML"),
        ("", "holds no keys"),
        ("- a", "holds no keys"),
    ],
)
def test_file_that_is_no_run_file(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(expected)):
        load_config(write(tmp_path, text))


def test_unknown_zenml_key_is_refused_beside_a_good_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='step: unknown key; did you mean "steps"'):
        load_config(write(tmp_path, "step: {}\nparameters: {config: {}}"))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot be read \(No such file"):
        load_config(tmp_path / "absent.yaml")
