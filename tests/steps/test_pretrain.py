"""The pre-trained backbone as an artifact."""

import numpy as np
import pytest

from vision.training.backbone import Backbone


# ZenML's store, which `step` brings, imports passlib 1.7, and that the standard library's crypt.
@pytest.mark.filterwarnings("ignore:'crypt' is deprecated:DeprecationWarning")
@pytest.mark.parametrize("weights", [(), (np.arange(3, dtype=np.float32), np.ones((2, 2)))])
def test_a_backbone_comes_back_from_its_artifact(weights, tmp_path):
    from steps.pretrain import BackboneMaterializer

    materializer = BackboneMaterializer(str(tmp_path))
    materializer.save(Backbone(weights))
    loaded = materializer.load(Backbone)
    assert len(loaded.weights) == len(weights) and all(map(np.array_equal, loaded.weights, weights))
    hashes = [materializer.compute_content_hash(each) for each in (loaded, Backbone((np.zeros(1),)))]
    assert hashes[0] == materializer.compute_content_hash(Backbone(weights)) != hashes[1]
