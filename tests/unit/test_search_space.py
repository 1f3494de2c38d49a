"""The space of a search: checked when the YAML is read, drawn from with recipe and architecture first."""

import optuna
import pytest

from vision.augmentation_policy import AugmentationPolicy
from vision.errors import ConfigError
from vision.model_config import ModelConfig
from vision.recipes import RECIPES
from vision.search_space import Settings, check_space, fits, has_field, in_place, own_values, suggest
from vision.training_config import Range, TrainConfig, TuneConfig

OWN = Settings(
    ModelConfig(name="residual", options={"filters": 8, "dropout": 0.3}),
    TrainConfig(learning_rate=0.005, batch_size=16),
    AugmentationPolicy(mixup=0.4),
)
RATES = Range(low=1e-4, high=1e-2, log=True)


@pytest.mark.parametrize(
    "space",
    [
        TuneConfig().space,
        {"train.recipe": ("fast", "thorough"), "train.learning_rate": RATES},
        {"train.recipe": ("fast", "fine_tune"), "train.fine_tune.layer_decay": (0.7, 0.9)},
        {"model.name": ("residual", "fast"), "model.options.width": (8, 16), "model.options.filters": (4,)},
        {"model.options.filters": Range(low=4, high=64, log=True)},
        {"augment.mixup": Range(low=0.0, high=1.0), "augment.horizontal_flip": (True, False)},
        {"train.class_weights": ("none", "balanced"), "train.accumulate": (1, 2)},
        {},
    ],
)
def test_space_of_fields_and_allowed_values_passes(space):
    check_space(space, *OWN)


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"train.learning_rat": RATES}, ['"train.learning_rat"', "train.learning_rate", "config.tune.space"]),
        ({"learning_rate": RATES}, ['section "learning_rate"', "augment, model, train"]),
        ({"train.learning_rate": (-1.0,)}, ["train.learning_rate cannot be -1.0", "greater than 0"]),
        ({"augment.mixup": Range(low=0.0, high=2.0)}, ["augment.mixup cannot be 2.0", "less than or equal"]),
        ({"train.recipe": ("fats",)}, ["train.recipe cannot be 'fats'", *RECIPES]),
        ({"model.name": ("resnt",)}, ["model.name cannot be 'resnt'", "residual"]),
        ({"model.options.filter": (8,)}, ['"model.options.filter"', "model.options.filters"]),
        ({"model.options.filters": (8.5,)}, ["model.options.filters cannot be 8.5"]),
        ({"train.batch_size": Range(low=8.0, high=64.5)}, ["train.batch_size cannot be 64.5"]),
        ({"train.fine_tune.layer_decay": (0.9,)}, ['"train.fine_tune.layer_decay"']),
        ({"train.optimizer": ()}, ["train.optimizer has no choices"]),
        ({"train.epochs": (5, 10)}, ["train.epochs", "config.tune.epochs"]),
    ],
)
def test_mistake_in_a_space_is_named_with_what_is_allowed(space, words):
    with pytest.raises(ConfigError) as caught:
        check_space(space, *OWN)
    for word in words:
        assert word in str(caught.value)


def test_value_goes_to_its_path_and_the_rest_stays():
    model, train, augment = in_place(
        {"train.learning_rate": 0.002, "model.options.filters": 32, "augment.mixup": 0.0}, OWN
    )
    assert (train.learning_rate, train.batch_size) == (0.002, 16)
    assert model.options == {"filters": 32, "dropout": 0.3}
    assert augment == AugmentationPolicy(mixup=0.0)
    assert in_place({}, OWN) == OWN


def test_recipe_replaces_the_train_section_but_not_keys_of_the_space():
    train = in_place({"train.learning_rate": 0.002, "train.recipe": "fast"}, OWN).train
    assert train == TrainConfig(recipe="fast", learning_rate=0.002)
    assert train.batch_size == RECIPES["fast"].settings["batch_size"]


def test_other_architecture_keeps_the_options_that_it_takes():
    assert in_place({"model.name": "reference_a"}, OWN).model.options == {"dropout": 0.3}
    assert in_place({"model.name": "fast", "model.options.width": 8}, OWN).model.options == {"width": 8}


def test_field_below_a_section_that_is_null_is_none():
    fine = OWN._replace(train=TrainConfig(recipe="fine_tune"))
    assert has_field(fine, "train.fine_tune.layer_decay")
    assert not has_field(OWN, "train.fine_tune.layer_decay")
    assert not has_field(OWN, "model.options")


def test_only_fields_of_the_drawn_architecture_are_drawn():
    space = {"model.options.filters": (4,), "model.name": ("residual", "fast"), "model.options.width": (8,)}
    study = optuna.create_study()
    drawn = {}
    for name in ("residual", "fast"):
        study.enqueue_trial({"model.name": name})
        drawn[name] = suggest(study.ask(), space, OWN)
    assert drawn["residual"] == {"model.name": "residual", "model.options.filters": 4}
    assert drawn["fast"] == {"model.name": "fast", "model.options.width": 8}


def test_whole_numbers_are_drawn_from_a_range_of_whole_numbers():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    space = {"train.batch_size": Range(low=8, high=9), "augment.zoom": Range(low=0, high=0.5)}
    values = suggest(study.ask(), space, OWN)
    assert values["train.batch_size"] in (8, 9)
    assert isinstance(values["augment.zoom"], float)


def test_own_values_are_moved_into_ranges_and_left_out_where_no_choice():
    space = {
        "train.learning_rate": Range(low=0.01, high=0.1),
        "train.batch_size": Range(low=1, high=8),
        "train.optimizer": ("sgd", "adamw"),  # own: adam
        "train.clip_norm": Range(low=0.1, high=5.0),  # own: null
        "augment.horizontal_flip": (False, True),
        "model.options.filters": (8, 16),
    }
    assert own_values(space, OWN) == {
        "train.learning_rate": 0.01,
        "train.batch_size": 8,
        "augment.horizontal_flip": True,
        "model.options.filters": 8,
    }


def test_values_of_another_search_fit_if_all_lie_in_the_space():
    space = {"train.learning_rate": RATES, "train.optimizer": ("sgd", "adamw")}
    assert fits({"train.learning_rate": 0.001, "train.optimizer": "sgd"}, space)
    assert fits({"train.optimizer": "sgd"}, space)
    assert not fits({"train.learning_rate": 0.1}, space)
    assert not fits({"train.optimizer": "adam"}, space)
    assert not fits({"learning_rate": 0.001}, space)
    assert not fits({}, space)
