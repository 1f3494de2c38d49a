"""Which served images are least like the reference: what a person should see first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vision.drift.profile import Profile

# Of a few hundred to two thousand reference images; the nearest alone may be a copy or itself strange.
NEIGHBOURS = 10


def most_drifted(reference: Profile, current: Profile, *, count: int = 24) -> NDArray[np.intp]:
    """Places, the strangest first, of at most `count` of the current images; none without embeddings.

    By the distance to the 10th nearest reference image, embeddings scaled to length 1 (Sun et al. 2022,
    Out-of-Distribution Detection with Deep Nearest Neighbors). A domain classifier ranks by the one direction
    in which most images differ; five images of something new among five hundred would not be its first.
    """
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import normalize

    if not (reference.embeddings.size and current.embeddings.size):
        return np.zeros(0, np.intp)
    neighbours = min(NEIGHBOURS, len(reference.embeddings))
    search = NearestNeighbors(n_neighbors=neighbours).fit(normalize(reference.embeddings))
    distances, _ = search.kneighbors(normalize(current.embeddings))
    strangest: NDArray[np.intp] = np.argsort(-distances[:, -1], kind="stable")[:count]
    return strangest
