"""The reference profile in a bundle: sealed with it, missing in old ones, and a reason for a new version."""

from __future__ import annotations

import numpy as np
import pytest

from registry.bundles import REFERENCE, load_bundle
from registry.model_version import ModelVersion
from registry.reference import read_reference
from registry.versions import last_registered, register_version
from registry.workspace import Workspace
from tests.registry import fake_classifier as fake
from tests.registry.conftest import MODEL, Register
from vision.drift.profile import Profile
from vision.errors import BundleError

PROFILE = Profile(
    probabilities=np.array([[0.5, 0.25, 0.25]], np.float32),
    energy=np.array([-1.5]),
    right=np.array([True]),
    covered=np.array([], np.bool_),
    properties={"brightness": np.array([0.5])},
)


def register_with(workspace: Workspace, profile: Profile | None) -> ModelVersion:
    return register_version(
        workspace,
        MODEL,
        fake.make_classifier(),
        samples=fake.make_samples(),
        lineage=fake.make_lineage("classifier-0.01"),
        metrics=fake.METRICS,
        reference=profile,
    )


def test_a_profile_is_sealed_with_its_bundle(workspace: Workspace) -> None:
    bundle = register_with(workspace, PROFILE).bundle

    found = read_reference(bundle)

    assert np.array_equal(found.probabilities, PROFILE.probabilities)
    assert found.properties["brightness"].tolist() == [0.5]


def test_an_altered_profile_is_an_altered_bundle(workspace: Workspace) -> None:
    bundle = register_with(workspace, PROFILE).bundle
    [file] = (bundle / REFERENCE).iterdir()
    file.write_bytes(file.read_bytes()[:-1] + b"x")

    with pytest.raises(BundleError, match=f"{REFERENCE}/{file.name} has sha256"):
        load_bundle(bundle)


def test_a_bundle_of_before_says_what_to_do(register: Register) -> None:
    with pytest.raises(BundleError, match=r"version 1 was registered without .*`sightline retrain`"):
        read_reference(register(0.01).bundle)


def test_the_same_classifier_gets_its_reference_in_a_new_version(
    workspace: Workspace, register: Register
) -> None:
    assert register(0.01).version == 1
    assert register_with(workspace, PROFILE).version == 2
    # Both are there now: neither with nor without a profile another is made.
    assert register_with(workspace, PROFILE).version == 2
    assert register(0.01).version == 1


def test_the_newest_registration_is_known_by_its_time(workspace: Workspace, register: Register) -> None:
    assert last_registered(workspace, MODEL) is None
    register(0.01)
    first = last_registered(workspace, MODEL)
    register(0.02)
    second = last_registered(workspace, MODEL)

    assert first is not None and second is not None and first < second
