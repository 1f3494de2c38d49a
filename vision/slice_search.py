"""Every part of the images that one property names, or two together, tested against the rest.

Thousands of parts are looked at, so the counts are products of sparse matrices and the tests are vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision.right_answers import IsRight
from vision.slice_properties import Property

Counts = NDArray[np.int64]
Values = NDArray[np.float64]

# Wilson's interval of 18 right of 20 already reaches from 70 to 97 %: of fewer images nothing can be said.
MIN_IMAGES = 20


@dataclass(frozen=True)
class Parts:
    """S parts of the images: part s meets the conditions first[s] and second[s], the same where it is single.

    `members` (N, C), sparse, is 1 where an image meets a condition. `images` and `right` (S,) count the part;
    `wholes` and `wholes_right` (3, S) count what it is a part of: all images, those of its first condition
    and those of its second.
    """

    conditions: tuple[tuple[str, str], ...]
    members: Any
    first: Counts
    second: Counts
    images: Counts
    right: Counts
    wholes: Counts
    wholes_right: Counts

    @property
    def is_single(self) -> NDArray[np.bool_]:
        return np.asarray(self.first == self.second)

    @property
    def gap(self) -> Values:
        """(3, S): accuracy of the rest of each whole less that of the part; 0 where there is no rest."""
        others = self.wholes - self.images
        rest = (self.wholes_right - self.right) / np.maximum(others, 1)
        return np.where(others > 0, rest - self.right / self.images, 0.0)

    def rows(self, part: int) -> Counts:
        """The images of one part."""
        met = self.members[:, [self.first[part], self.second[part]]].toarray()
        return np.flatnonzero(met.all(axis=1))


def count_parts(properties: Sequence[Property], is_right: IsRight) -> Parts:
    """All parts with enough images, of conditions that some images meet and others do not."""
    from scipy.sparse import triu

    members, conditions = _members(properties, len(is_right))
    right_members = members.multiply(is_right[:, None]).tocsr()
    sizes, rights = (np.asarray(matrix.sum(axis=0)) for matrix in (members, right_members))
    together = triu(members.T @ members).tocoo()
    first, second = (index.astype(np.int64) for index in together.coords)
    whole = len(is_right)
    enough = (together.data >= MIN_IMAGES) & (sizes[first] < whole) & (sizes[second] < whole)
    first, second, images = first[enough], second[enough], together.data[enough]
    # Of no places, scipy gives back a matrix and no vector.
    right = np.asarray((members.T @ right_members).tocsr()[first, second]) if len(first) else images
    return Parts(
        conditions=conditions,
        members=members,
        first=first,
        second=second,
        images=images,
        right=right,
        wholes=np.stack([np.full(len(images), whole), sizes[first], sizes[second]]),
        wholes_right=np.stack([np.full(len(images), is_right.sum()), rights[first], rights[second]]),
    )


def _members(properties: Sequence[Property], images: int) -> tuple[Any, tuple[tuple[str, str], ...]]:
    from scipy.sparse import csr_array

    starts = np.cumsum([0, *(len(found.values) for found in properties)])
    rows = np.concatenate([found.rows for found in properties])
    columns = np.concatenate([found.codes + start for found, start in zip(properties, starts, strict=False)])
    ones = np.ones(len(rows), np.int64)
    members = csr_array((ones, (rows, columns)), shape=(images, int(starts[-1])))
    return members, tuple((found.name, value) for found in properties for value in found.values)


def p_values(parts: Parts) -> Values:
    """(S,): of the difference between each part and the rest, corrected for the number of parts.

    A pair must be worse than the rest, and than the rest of either of its conditions: its p-value is the
    largest of the three, else half of all pairs within a bad part would look bad too. It is 1 where the pair
    is not worse.
    """
    single = np.flatnonzero(parts.is_single)
    pairs = np.flatnonzero((parts.gap > 0).all(axis=0) & ~parts.is_single)
    values = np.ones(len(parts.images))
    values[single] = _fisher(parts, 0, single)
    values[pairs] = np.max([_fisher(parts, whole, pairs) for whole in range(3)], axis=0)
    return holm(values)


def _fisher(parts: Parts, whole: int, chosen: Counts) -> Values:
    """Fisher's exact test of parts against the rest of a whole: the tail on the part's side, doubled.

    scipy's fisher_exact takes one table a call; its tails are these of the hypergeometric distribution.
    """
    from scipy.stats import hypergeom

    images, right = parts.images[chosen], parts.right[chosen]
    all_images, all_right = parts.wholes[whole, chosen], parts.wholes_right[whole, chosen]
    is_worse = parts.gap[whole, chosen] > 0
    # Of a better part: at most as many wrong ones, out of all wrong ones.
    fewer = np.where(is_worse, right, images - right)
    among = np.where(is_worse, all_right, all_images - all_right)
    return np.asarray(np.minimum(1.0, 2 * hypergeom.cdf(fewer, all_images, among, images)), np.float64)


def holm(values: Values) -> Values:
    """p-values (S,) corrected for their number by Holm (1979), which scipy has not.

    It bounds the chance that any part is named wrongly, however the parts overlap. Benjamini and Hochberg's,
    which scipy has, bounds the share of wrong ones among those named, and each of ours is read by itself.
    """
    order = np.argsort(values)
    scaled = values[order] * np.arange(len(values), 0, -1)
    corrected = np.empty_like(scaled)
    corrected[order] = np.maximum.accumulate(scaled).clip(max=1.0)
    return corrected
