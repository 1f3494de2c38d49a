"""Reviewed images in the data: trained on, never tested on, and checked like the others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from registry.reviews import Review, within_key_share
from vision.config import SplitConfig
from vision.ingest import read_images
from vision.inspection.flags import flag_copies
from vision.inspection.label_issues import judge_labels
from vision.manifest import EXCLUDED, REVIEWED, Manifest
from vision.pixel_store import PixelStore
from vision.preprocessing import Preprocessing
from vision.sources.listing import ListedImage, Listing
from vision.sources.reviewed import add_reviewed
from vision.splitting import exclude_doubtful_labels, split_images

ONCE = SplitConfig()


def make_listing(
    root: Path | str, names: Sequence[str] = ("cat/1.png", "dog/1.png"), **fields: object
) -> Listing:
    rows = [ListedImage(name, name.split("/")[0], "", 7, 0) for name in names]
    return Listing(str(root), tuple(rows), **fields)  # type: ignore[arg-type]


def save(path: Path, value: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (value, value, value)).save(path, "PNG")
    return path


def read(listing: Listing, tmp_path: Path) -> Manifest:
    return read_images(listing, PixelStore(tmp_path / "pixels", Preprocessing(image_size=(4, 4))))


@pytest.mark.parametrize("root", ["/data/pets", "memory://pets"])
def test_a_reviewed_image_joins_any_source(tmp_path, root) -> None:
    path = save(tmp_path / "reviews" / "abc", 9)
    listing = make_listing(root)

    joined = add_reviewed(listing, {path: ("dog",)})

    [added] = [row for row in joined.rows if row.split == REVIEWED]
    assert (added.path, added.label, added.size_bytes) == (str(path), "dog", path.stat().st_size)
    assert [row for row in joined.rows if row.split != REVIEWED] == list(listing.rows)


def test_the_fingerprint_follows_the_reviews(tmp_path) -> None:
    path, listing = save(tmp_path / "abc", 9), make_listing("/data/pets")
    prints = {listing.fingerprint}
    prints.add(add_reviewed(listing, {path: ("dog",)}).fingerprint)
    prints.add(add_reviewed(listing, {path: ("cat",)}).fingerprint)

    assert len(prints) == 3
    assert add_reviewed(listing, {}).fingerprint == listing.fingerprint


@pytest.mark.parametrize("labels", [("bird",), (), ("cat", "dog")])
def test_labels_that_the_source_has_not_are_passed_over_and_named(tmp_path, labels, caplog) -> None:
    path, listing = save(tmp_path / "abc", 9), make_listing("/data/pets")

    assert add_reviewed(listing, {path: labels}) == listing
    assert "1 reviewed images are passed over" in caplog.text
    assert (", ".join(labels) or "no label") in caplog.text


@pytest.mark.parametrize(("labels", "label"), [((), ""), (("dog", "cat"), "cat|dog"), (("cat",), "cat")])
def test_several_labels_are_joined_as_tables_join_them(tmp_path, labels, label) -> None:
    rows = (ListedImage("1.png", "cat|dog", "", 7, 0, "", ("phone",)),)
    listing = Listing("/data", rows, is_multi_label=True, further=("camera",))

    [added] = [row for row in add_reviewed(listing, {save(tmp_path / "a", 9): labels}).rows if row.split]

    assert (added.label, added.further) == (label, ("",))


def test_reviewed_images_are_read_like_the_others(tmp_path) -> None:
    root = tmp_path / "data"
    for value, name in enumerate(("cat/1.png", "dog/1.png")):
        save(root / name, value)
    good, bad = save(tmp_path / "reviews" / "good", 9), tmp_path / "reviews" / "bad"
    bad.write_bytes(b"no image")

    manifest = read(add_reviewed(make_listing(root), {good: ("dog",), bad: ("cat",)}), tmp_path)

    rows = manifest.table.set_index("path")
    assert rows["is_readable"][[str(good), "cat/1.png"]].all()
    assert not rows["is_readable"][str(bad)]  # validation leaves it out, as it does others
    assert manifest.read(str(good)) == good.read_bytes()


def test_a_copy_of_the_datas_own_image_cannot_change_it(tmp_path, caplog) -> None:
    root = tmp_path / "data"
    for value, name in enumerate(("cat/1.png", "dog/1.png")):
        save(root / name, value)
    poison = save(tmp_path / "reviews" / "poison", 0)  # the bytes of cat/1.png

    manifest = read(add_reviewed(make_listing(root), {poison: ("dog",)}), tmp_path)

    assert manifest.table["path"].tolist() == ["cat/1.png", "dog/1.png"]
    assert "the data has them with labels of its own" in caplog.text
    assert not flag_copies(manifest.table.assign(cluster=""))["has_label_conflict"].any()


def make_table(reviewed: Sequence[tuple[str, str]] = (), split: str = "") -> pd.DataFrame:
    """Twenty cats and twenty dogs, and reviewed dogs by sha256 and cluster; cat 3 and cat 4 look alike."""
    own = [(f"{label}/{k}", label, split, f"{label}{k}", "") for label in ("cat", "dog") for k in range(20)]
    rows = own + [(f"/reviews/{name}", "dog", REVIEWED, name, cluster) for name, cluster in reviewed]
    table = pd.DataFrame(rows, columns=["path", "label", "split", "sha256", "cluster"])
    return table.assign(cluster=table["cluster"].mask(table["path"].isin(["cat/3", "cat/4"]), "alike"))


def by_path(table: pd.DataFrame, remembered: dict[str, str] | None = None, **config: object) -> pd.Series:
    settings = SplitConfig.model_validate(config)
    divided = split_images(Manifest("data", table), settings, seed=1, remembered=remembered or {})
    return divided.table.set_index("path")["split"]


@pytest.mark.parametrize("split", ["", "train"])
def test_reviews_are_trained_on_and_leave_every_other_image_where_it_was(split) -> None:
    before = by_path(make_table(split=split))
    after = by_path(make_table([(f"r{k}", "") for k in range(30)], split=split))

    added = after[after.index.str.startswith("/")]
    assert len(added) == 30
    assert set(added) == {"train"}
    pd.testing.assert_series_equal(after.drop(added.index), before)


def test_reviews_that_look_like_held_out_images_are_left_out(caplog) -> None:
    alike = by_path(make_table())["cat/3"]
    for place in ("test", "validation", "train"):
        remembered = {"cat3": place, "cat4": place}
        after = by_path(make_table([("r1", "alike"), ("r2", "")]), remembered)
        assert after["cat/3"] == after["cat/4"] == place
        assert after["/reviews/r1"] == ("train" if place == "train" else EXCLUDED)
        assert after["/reviews/r2"] == "train"
    assert alike in ("train", "validation", "test")
    assert "reviewed images are excluded, linked to validation or test images: /reviews/r1" in caplog.text


def test_an_image_that_was_a_test_image_once_is_never_trained_on() -> None:
    table = make_table([("r1", ""), ("r2", "")])

    sticky = by_path(table, {"r1": "test"})
    assert (sticky["/reviews/r1"], sticky["/reviews/r2"]) == (EXCLUDED, "train")
    assert by_path(table, {"r1": "test"}, sticky=False)["/reviews/r1"] == "train"


def test_of_near_duplicates_the_datas_own_is_kept() -> None:
    flags = flag_copies(make_table([("r1", "alike")]))

    paths = make_table([("r1", "alike")])["path"]
    assert paths[flags["is_near_duplicate"]].tolist() == ["cat/4", "/reviews/r1"]


def make_review(name: str, key: str | None) -> Review:
    """Accepted: a dog, because the feedback of that key said so, or in the reviewer's own eyes."""
    said = {} if key is None else {"source": "feedback", "key": key}
    digest, moment = sha256(name.encode()).hexdigest(), datetime(2026, 11, 5, tzinfo=UTC)
    fields = {"prediction": "0" * 32, "verdict": "accepted", "labels": ("dog",), "who": "ann", "when": moment}
    return Review.model_validate(fields | said | {"sha256": digest})


def judge(table: pd.DataFrame, *, shows_cat: pd.Series) -> pd.DataFrame:
    """The split of the table after cleanlab has looked, with an embedding that tells cats from dogs."""
    noise = np.random.default_rng(0).normal(0, 0.3, (len(table), 8))
    embedding = (np.eye(8)[np.where(shows_cat, 0, 1)] * 3 + noise).astype(np.float32)
    judged = judge_labels(Manifest("data", table), embedding, folds=5, seed=1).table
    divided = split_images(Manifest("data", table.join(judged)), ONCE, seed=1)
    return exclude_doubtful_labels(divided).table.set_index("sha256")


def test_a_poisoned_stream_is_held_back() -> None:
    """One key calls forty cats dogs, and a tired reviewer accepts them all beside three dogs of his own."""
    poison = [make_review(f"cat{k}", "evil") for k in range(40)]
    honest = [make_review(f"dog{k}", None) for k in range(3)]

    through = within_key_share([*poison, *honest], 0.5)
    table = make_table([(review.sha256, "") for review in through]).assign(cluster="")
    wrong = [review.sha256 for review in poison if review in through]
    split = judge(table, shows_cat=(table["label"] == "cat") | table["sha256"].isin(wrong))["split"]

    assert len(wrong) == 3  # as many as of other origin: half
    assert set(split[wrong]) == {EXCLUDED}
    assert set(split[[review.sha256 for review in honest]]) == {"train"}
    # Without the two, all of it would be trained on.
    unguarded = by_path(make_table([(review.sha256, "") for review in poison]))
    assert (unguarded[unguarded.index.str.startswith("/")] == "train").sum() == 40
