"""Are the images that were served like the reference to the model? Two tests that see different things.

MMD sees any change, mostly where images lie; the domain classifier learns one direction in which they differ
and is the sharper where there is one among many.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vision.drift.finding import Finding
from vision.drift.permutation import Divisions, permute

Embeddings = NDArray[np.floating]
# Reference images beside each served one: of more the kernel grows faster than the test gets sharper.
REFERENCE_SHARE = 2
ROUNDING = 1e-9  # of a squared distance, beside the greatest
# Of the domain classifier; on standardised embeddings of more numbers than images, which a weaker one fits.
REGULARISATION = 0.01


def compare_embeddings(
    reference: Embeddings, current: Embeddings, *, permutations: int, random: np.random.Generator
) -> Finding:
    """Maximum mean discrepancy (Gretton et al. 2012, A Kernel Two-Sample Test, equation 5, its square).

    Gaussian kernel as wide as the median distance (their section 8), p-value by permutation. The effect is
    how many times the MMD² is what chance alone brings about: 1 is none.
    """
    wanted = min(len(reference), REFERENCE_SHARE * len(current))
    chosen = reference[np.sort(random.choice(len(reference), wanted, replace=False))]
    kernel = centred_kernel(np.concatenate([chosen, current]))
    scale = (1 / wanted + 1 / len(current)) ** 2

    def mmd(divisions: Divisions) -> NDArray[np.floating]:
        """w K w where w is 1/m of the current, -1/n of the others: of a centred K only 1/m + 1/n counts."""
        squared: NDArray[np.floating] = scale * ((divisions @ kernel) * divisions).sum(axis=1)
        return squared

    found = permute(mmd, (wanted, len(current)), permutations=permutations, random=random)
    effect = found.statistic / found.by_chance
    return Finding(
        name="embeddings",
        subject="inputs",
        method="MMD, permutations",
        statistic=found.statistic,
        p_value=found.p_value,
        effect=effect,
        effect_name="times what chance brings about",
        said=f"To the model, images lie {effect:.1f} times as far from the reference as by chance",
    )


def centred_kernel(embeddings: Embeddings) -> NDArray[np.float32]:
    """(N, N) of embeddings (N, D): the Gaussian kernel, whose rows and columns are made to sum to 0."""
    from sklearn.metrics.pairwise import euclidean_distances

    squares = euclidean_distances(embeddings.astype(np.float64), squared=True)
    # Rows that are equal, but for rounding, say nothing of how far the others lie apart.
    width = np.median(squares[squares > ROUNDING * squares.max()])
    kernel = np.exp(-squares / (2 * width))
    means = kernel.mean(axis=0)
    centred: NDArray[np.float32] = (kernel - means - means[:, None] + means.mean()).astype(np.float32)
    return centred


def tell_apart(reference: Embeddings, current: Embeddings, *, random: np.random.Generator) -> Finding:
    """Can a logistic regression tell served images from the reference (Lopez-Paz and Oquab 2017)?

    It learns from a drawn half of the images; the effect is its area under the ROC curve on the other half,
    0.5 where it is guessing. The p-value is Mann and Whitney's of its scores there. The other half took no
    part in the classifier, so this is exact; scores of a cross-validation depend on one another, and
    a p-value of theirs needs the classifier to be made anew some thousand times.
    """
    from scipy.stats import mannwhitneyu
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = np.concatenate([reference, current]).astype(np.float64)
    is_current = np.arange(len(rows)) >= len(reference)
    seen, unseen, told, truth = train_test_split(
        rows, is_current, test_size=0.5, stratify=is_current, random_state=int(random.integers(2**31))
    )
    regression = LogisticRegression(C=REGULARISATION, class_weight="balanced", max_iter=1000)
    scores = make_pipeline(StandardScaler(), regression).fit(seen, told).decision_function(unseen)
    test = mannwhitneyu(scores[truth], scores[~truth], alternative="greater", method="asymptotic")
    area = float(test.statistic / (truth.sum() * (~truth).sum()))
    return Finding(
        name="domain classifier",
        subject="inputs",
        method="logistic regression, Mann-Whitney",
        statistic=float(test.statistic),
        p_value=float(test.pvalue),
        effect=area,
        effect_name="area under the ROC curve",
        said=(
            f"Of a served and a reference image, a classifier knows which is which in {100 * area:.0f} % of"
            " cases (by guessing: 50 %)"
        ),
    )
