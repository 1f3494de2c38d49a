"""The pre-trained backbone as an artifact."""

import numpy as np
import pytest

from steps.materializers import BackboneMaterializer
from vision.training.backbone import Backbone


@pytest.mark.parametrize("weights", [(), (np.arange(3, dtype=np.float32), np.ones((2, 2)))])
def test_a_backbone_comes_back_from_its_artifact(weights, tmp_path):
    materializer = BackboneMaterializer(str(tmp_path))
    materializer.save(Backbone(weights))
    loaded = materializer.load(Backbone)
    assert len(loaded.weights) == len(weights) and all(map(np.array_equal, loaded.weights, weights))
    hashes = [materializer.compute_content_hash(each) for each in (loaded, Backbone((np.zeros(1),)))]
    assert hashes[0] == materializer.compute_content_hash(Backbone(weights)) != hashes[1]
