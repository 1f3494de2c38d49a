"""Which copies and near-duplicates are superfluous, and which bytes stand under two labels."""

from __future__ import annotations

import pandas as pd

from vision.manifest import EXCLUDED, REVIEWED

# The copy that is kept is the most held-out one: a test image is not to be lost for one of training.
KEPT_FIRST = ("test", "validation", "train", "", REVIEWED, EXCLUDED)


def flag_copies(table: pd.DataFrame) -> pd.DataFrame:
    """is_exact_duplicate, is_near_duplicate and has_label_conflict of readable rows with `cluster`.

    Of each set one image is kept, by KEPT_FIRST and then by path; the others are flagged.
    """
    places = {split: place for place, split in enumerate(KEPT_FIRST)}
    ordered = table.assign(place=table["split"].map(places)).sort_values(["place", "path"])
    is_copy = ordered.duplicated("sha256")
    different = ordered[~is_copy & (ordered["cluster"] != "")]
    is_near = different.duplicated("cluster").reindex(ordered.index, fill_value=False)
    conflicts = ordered.groupby("sha256")["label"].transform("nunique") > 1
    flags = pd.DataFrame(
        {"is_exact_duplicate": is_copy, "is_near_duplicate": is_near, "has_label_conflict": conflicts}
    )
    return flags.loc[table.index].astype(bool)
