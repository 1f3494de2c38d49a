"""The data report: what is said of a data set, in the right order, and a page that trusts no text."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.unit.html_page import Page
from vision.data_report import DataSummary, render_data_report, summarize_data
from vision.data_report.findings import ISSUE_WORDS, describe_data
from vision.data_report.galleries import EXACT_SIDE, SHOWN_SIDE, TITLES, small_picture
from vision.data_report.page import MAX_FILES
from vision.data_report.summary import WORST_FIRST
from vision.manifest import ISSUES, Manifest

DOUBTS = (
    "2 labels are doubtful: “00003.png” is labelled “dog” and looks like “bird”."
    " The model that doubts them is right for 90.0 % of the images."
)
LEAKS = "1 set of copies or near-duplicates stands in several splits: tests on such images flatter the model."
NO_QUARANTINE = pd.DataFrame({"path": [], "reason": []}, dtype=str)
HOSTILE = "<b>bold</b> & \"'</script>"


def manifest_of(count: int, *, is_multi_label: bool = False, **columns: Any) -> Manifest:
    """Images without any issue, half of them cats and half of them dogs, but for the columns given."""
    numbers = range(count)
    table = pd.DataFrame(
        {
            "path": [f"{number:05}.png" for number in numbers],
            "label": [("cat", "dog")[number % 2] for number in numbers],
            "split": "",
            "group": "",
            "sha256": [f"hash{number}" for number in numbers],
            "size_bytes": 100,
            "format": "PNG",
            "mode": "RGB",
            "width": 64,
            "height": 48,
            "is_readable": True,
            "reason": "",
            "brightness": np.linspace(0.2, 0.8, count),
            "contrast": 0.2,
            "sharpness": np.linspace(50, 500, count),
            "entropy": 7.0,
            "cluster": "",
            "suggested_label": "",
            "label_score": 1.0,
            **dict.fromkeys(ISSUES.values(), False),
        }
    )
    return Manifest("/data", table.assign(**columns), is_multi_label)


def summarize(manifest: Manifest, quarantine: pd.DataFrame = NO_QUARANTINE) -> DataSummary:
    return summarize_data(manifest, quarantine=quarantine, out_of_fold_accuracy=0.9)


def flag(count: int, *rows: int) -> list[bool]:
    return [row in rows for row in range(count)]


def pixels(count: int, side: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def everything(count: int = 40) -> Manifest:
    """A set in which every kind of issue is found."""
    manifest = manifest_of(count, split=["train", "test"] * (count // 2))
    table = manifest.table.assign(**dict.fromkeys(ISSUES.values(), flag(count, 3, 4)))
    table["sha256"] = ["same" if row in (3, 4) else f"hash{row}" for row in range(count)]
    table["cluster"] = ["c1" if row in (3, 4, 7) else "" for row in range(count)]
    table["suggested_label"] = "bird"
    table["is_readable"] = [row != 9 for row in range(count)]
    table["reason"] = ["cut short" if row == 9 else "" for row in range(count)]
    table["width"] = np.arange(count) + 20
    return manifest.with_table(table)


def test_summary_says_first_what_can_not_be_used() -> None:
    found = summarize(everything(), pd.DataFrame({"path": ["00009.png", "00003.png"], "reason": "x"}))
    told = [sentence.replace("\u202f", " ") for sentence in found.sentences]
    assert told[:7] == [
        "1 of 40 files cannot be read: it is left out.",
        "1 more image is quarantined, and left out.",
        "2 images are byte-identical to another; 2 of them stand under different labels.",
        "3 images are almost the same as another (1 set); 1 set holds different labels.",
        LEAKS,
        DOUBTS,
        "Class “dog” has only 19 images: nothing can be said of it.",
    ]
    assert told[7] == "2 images (5.1 %) are dark."
    assert len(told) == 7 + len(WORST_FIRST)


def test_summary_goes_through_json() -> None:
    found = summarize(everything())
    assert DataSummary.model_validate_json(found.model_dump_json()) == found
    assert next(iter(DataSummary.model_fields)) == "sentences"


def test_summary_of_a_clean_set_says_so() -> None:
    found = summarize(manifest_of(60))
    assert found.sentences == ("Nothing was found that speaks against these images.",)
    assert describe_data(found) == "60 images in 2 classes."
    assert found.splits == {}
    assert [(images.name, images.count) for images in found.classes] == [("cat", 30), ("dog", 30)]
    assert found.sizes["height"].model_dump() == {"min": 48, "median": 48.0, "max": 48}
    assert (found.formats, found.modes) == ({"PNG": 60}, {"RGB": 60})


def test_sets_over_classes_come_first_then_those_over_splits() -> None:
    manifest = manifest_of(
        9,
        sha256=["a", "b", "a", "b", "c", "c", "a", "x", "y"],
        label=["cat"] * 5 + ["dog"] * 4,
        split=["train", "train", "train", "test", "train", "train", "excluded", "test", "test"],
    )
    sets = summarize(manifest).exact_duplicates
    assert [images.paths for images in sets] == [
        ("00000.png", "00002.png", "00006.png"),
        ("00004.png", "00005.png"),
        ("00001.png", "00003.png"),
    ]
    assert [(images.across_classes, images.across_splits) for images in sets] == [
        (True, False),  # what is excluded stands in no split
        (True, False),
        (False, True),
    ]
    assert sets[1].labels == ("cat", "dog")


def test_a_cluster_of_copies_alone_is_no_near_duplicate() -> None:
    manifest = manifest_of(5, sha256=["a", "a", "b", "c", "d"], cluster=["x", "x", "y", "y", ""])
    found = summarize(manifest)
    assert [images.paths for images in found.exact_duplicates] == [("00000.png", "00001.png")]
    assert [images.paths for images in found.near_duplicates] == [("00002.png", "00003.png")]


def test_unreadable_images_count_nowhere_else() -> None:
    manifest = manifest_of(4, is_readable=[True, True, False, False], sha256=["a", "b", "", ""])
    manifest = manifest.with_table(
        manifest.table.assign(label=["cat", "cat", "dog", "dog"], width=[9, 7, 0, 0])
    )
    found = summarize(manifest)
    assert found.exact_duplicates == ()
    assert [(images.name, images.count) for images in found.classes] == [("cat", 2), ("dog", 0)]
    assert found.sizes["width"].model_dump() == {"min": 7, "median": 8.0, "max": 9}
    assert "2 classes have fewer than 20 images, “dog” only 0: little can be said of them." in found.sentences


@pytest.mark.parametrize(
    ("issue", "columns"),
    [
        ("dark", {"brightness": [0.3, 0.1, 0.2]}),
        ("light", {"brightness": [0.7, 0.9, 0.8]}),
        ("low_information", {"entropy": [3.0, 1.0, 2.0]}),
        ("blurry", {"sharpness": [3.0, 1.0, 2.0]}),
        ("odd_size", {"width": [64, 640, 10]}),  # 10 and 6.4 times the median
        ("odd_aspect_ratio", {"height": [48, 480, 12]}),  # 10 and 4 times
    ],
)
def test_the_worst_of_an_issue_comes_first(issue: str, columns: dict[str, list[float]]) -> None:
    changed: dict[str, Any] = columns | {ISSUES[issue]: flag(3, 1, 2)}
    manifest = manifest_of(3, is_multi_label=False, **changed)
    assert summarize(manifest).issues[issue] == ("00001.png", "00002.png")


def test_doubtful_labels_are_sorted_by_doubt() -> None:
    manifest = manifest_of(
        3, has_label_issue=True, suggested_label="bird", label_score=[0.3, 0.1, 0.2], label="cat"
    )
    found = summarize(manifest).label_issues
    assert [issue.path for issue in found] == ["00001.png", "00002.png", "00000.png"]
    assert found[0].model_dump() == {
        "path": "00001.png",
        "label": "cat",
        "suggested_label": "bird",
        "score": 0.1,
    }


def test_a_multi_label_image_counts_in_each_class() -> None:
    labels = ["cat", "cat|dog", "cat|dog", "cat"] * 10
    found = summarize(manifest_of(40, is_multi_label=True, label=labels, split=["train", "test"] * 20))
    assert [(images.name, images.count) for images in found.classes] == [("cat", 40), ("dog", 20)]
    assert found.splits == {"train": {"cat": 20, "dog": 10}, "test": {"cat": 20, "dog": 10}}
    assert (
        "The largest class, “cat” (40), has 2.0 times the images of the smallest, “dog” (20)."
        in found.sentences
    )
    assert "On nearly every image: “cat”. A model learns little from what is always there." in found.sentences
    assert describe_data(found).endswith("of which an image may have several.")


def test_a_label_that_should_be_none_is_said_so() -> None:
    flagged = flag(40, 0)
    manifest = manifest_of(40, is_multi_label=True, has_label_issue=flagged, label_score=0.1)
    found = summarize(manifest)
    assert "“00000.png” is labelled “cat” and looks like “no class”" in found.sentences[0]
    assert '<span class="mark">no class' in render_data_report(found, manifest, None, title="x")


def test_an_issue_of_all_images_is_said_of_all() -> None:
    assert summarize(manifest_of(60, is_grayscale=True)).sentences == ("All images are without colour.",)


def test_every_issue_of_a_picture_has_words_and_a_gallery() -> None:
    of_pictures = [issue for issue in ISSUES if "label" not in issue and "duplicates" not in issue]
    assert sorted(WORST_FIRST) == sorted(ISSUE_WORDS) == sorted(TITLES) == sorted(of_pictures)


@pytest.fixture(scope="module")
def html() -> str:
    manifest = everything()
    return render_data_report(summarize(manifest), manifest, pixels(39), title="pets")


def test_page_needs_no_other_file(html: str) -> None:
    page = Page(html)
    assert all(address.startswith(("data:image/", "#")) for address in page.addresses)
    assert not page.tags & {"script", "link", "iframe", "object"}
    assert not re.search(r"url\(|@import|https?://", html)


def test_page_shows_every_gallery_and_links_to_each(html: str) -> None:
    page = Page(html)
    copies = ["label_issues", "label_conflicts", "near_duplicates"]  # the only copies are a conflict
    assert page.sections == ["overview", "classes", *copies, *TITLES, "left_out"]
    assert [address[1:] for address in page.addresses if address.startswith("#")] == page.sections
    assert html.index("cannot be read") < html.index("<dl")


def test_page_is_accessible_and_loads_its_galleries_late(html: str) -> None:
    page = Page(html)
    shown = [image for image in page.images if image.get("loading") == "lazy"]
    assert len(page.images) - len(shown) == 4  # the plots
    assert len(shown) == 2 + 1 + 3 + 2 * len(TITLES)
    assert all(len(image["alt"] or "") > 5 for image in page.images)
    assert "prefers-color-scheme: dark" in html


def test_page_shows_the_pixels_of_the_row_that_it_names() -> None:
    manifest = manifest_of(3, is_readable=[True, False, True], is_dark=flag(3, 2))
    images = pixels(2)
    html = render_data_report(summarize(manifest), manifest, images, title="x")
    assert small_picture(images[1], "").uri in html
    assert small_picture(images[0], "").uri not in html


def test_page_names_what_is_wrong_with_a_set_and_a_label(html: str) -> None:
    assert html.count("several labels, several splits") == 2
    assert re.search(r'looks like</span> <span class="mark">bird', html)
    assert re.search(r"00009\.png</th><td>cut short", html)


def test_page_trusts_no_text() -> None:
    manifest = everything()
    table = manifest.table.assign(
        label=HOSTILE, path=lambda rows: HOSTILE + rows["path"], suggested_label=HOSTILE
    )
    table["reason"] = table["mode"] = table["format"] = HOSTILE
    manifest = manifest.with_table(table)
    html = render_data_report(summarize(manifest), manifest, pixels(39), title=HOSTILE)
    assert "<b>bold" not in html
    assert "</script" not in html
    assert "&lt;b&gt;bold" in html


def test_page_without_pixels_names_the_files() -> None:
    manifest = everything()
    html = render_data_report(summarize(manifest), manifest, None, title="x")
    assert not any(image.get("loading") for image in Page(html).images)
    assert "00003.png" in html


@pytest.mark.parametrize("classes", [1, 30, 31, 120])
def test_page_takes_any_number_of_classes(classes: int) -> None:
    labels = [f"class {number % classes}" for number in range(240)]
    manifest = manifest_of(240, label=labels)
    html = render_data_report(summarize(manifest), manifest, None, title="x")
    assert all(f">{name}<" in html for name in set(labels))
    assert ("<details>" in html) == (classes > 30)


@pytest.mark.parametrize(
    "manifest",
    [
        manifest_of(0),
        manifest_of(2, is_readable=False, reason="empty"),
        manifest_of(1),
        manifest_of(4, brightness=0.0, sharpness=0.0, width=[1, 20_000, 5, 7]),
        manifest_of(3, label="", is_multi_label=True),
    ],
    ids=["no rows", "none readable", "one image", "all black", "no classes"],
)
def test_page_takes_degenerate_sets(manifest: Manifest) -> None:
    html = render_data_report(summarize(manifest), manifest, None, title="x")
    assert "Sightline data report" in html


def test_the_list_of_files_left_out_is_capped_and_counted() -> None:
    files = pd.DataFrame({"path": [f"{row}.png" for row in range(MAX_FILES + 7)], "reason": "blurred"})
    html = render_data_report(summarize(manifest_of(4), files), manifest_of(4), None, title="x")
    assert "The first 500 of 507 files" in html
    assert html.count("<td>blurred") == MAX_FILES


def test_pictures_are_exact_while_small_and_of_one_size_above() -> None:
    small = small_picture(pixels(1, EXACT_SIDE)[0], "small")
    assert (small.width, small.uri[:14]) == (EXACT_SIDE, "data:image/png")
    for side in (EXACT_SIDE + 1, 300):
        large = small_picture(pixels(1, side)[0], "large")
        assert (large.width, large.height, large.uri[:15]) == (SHOWN_SIDE, SHOWN_SIDE, "data:image/jpeg")


class Noise:
    """Noise of any number of images, made when it is asked for."""

    def __init__(self, count: int, side: int) -> None:
        self.shape: tuple[int, ...] = (count, side, side, 3)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, row: int) -> np.ndarray:
        return np.random.default_rng(row).integers(0, 256, self.shape[1:], dtype=np.uint8)


def test_page_of_many_images_with_every_gallery_full_stays_small() -> None:
    count, side = 50_000, 95
    table = manifest_of(count).table.assign(**dict.fromkeys(ISSUES.values(), True), suggested_label="bird")
    number = np.arange(count)
    table["sha256"] = [f"{row // 2}" if row < count // 2 else f"{row}" for row in number]
    table["cluster"] = [f"{row // 4}" for row in number]
    table["width"] = np.random.default_rng(0).integers(1, 4000, count)
    table["has_label_conflict"] = number < 5_000
    manifest = Manifest("/data", table)
    found = summarize(manifest, pd.DataFrame({"path": table["path"], "reason": "x" * 200}))
    html = render_data_report(found, manifest, Noise(count, side), title="many")
    assert len(Page(html).images) == 4 + 12 * (3 + 3 + len(TITLES))
    assert len(html.encode()) < 3_000_000
