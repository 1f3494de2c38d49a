"""What the summary says, in plain sentences, the most important first."""

from __future__ import annotations

from collections.abc import Sequence

from vision.data_report.contents import DataSummary, ImageSet
from vision.report.wording import percent

# With fewer images a class has 3 test images at the default share of 0.2: nothing can be said of it.
FEW_IMAGES = 20
# Classes as uneven as this are a finding.
UNEVEN = 2.0
# A class on so many images of a multi-label set leaves little to learn from its absence.
NEARLY_ALL = 0.95
# A model that gives fewer of the labels itself has not seen enough for its silence to mean anything.
TRUSTED = 0.85
# Issue -> what is said of its images after "is" or "are".
ISSUE_WORDS = {
    "dark": "dark",
    "light": "overexposed",
    "low_information": "almost one colour",
    "blurry": "blurred",
    "grayscale": "without colour",
    "odd_size": "of quite another size than the rest",
    "odd_aspect_ratio": "long and narrow, so that resizing distorts them",
}


def describe_data(summary: DataSummary) -> str:
    """One sentence on what the data set is."""
    several = ", of which an image may have several" if summary.task == "multi_label" else ""
    return f"{_images(summary.readable)} in {_count(len(summary.classes), 'class', 'classes')}{several}."


def describe_findings(summary: DataSummary) -> tuple[str, ...]:
    """The sentences; one that says so where there is nothing to find."""
    found = (
        _unreadable(summary),
        _left_out(summary),
        _copies(summary),
        _near_duplicates(summary),
        _leaks(summary),
        _doubtful_labels(summary),
        _small_classes(summary),
        _balance(summary),
        _everywhere(summary),
        *_issues(summary),
    )
    return tuple(filter(None, found)) or ("Nothing was found that speaks against these images.",)


def _unreadable(summary: DataSummary) -> str:
    if not summary.unreadable:
        return ""
    them = "it is" if len(summary.unreadable) == 1 else "they are"
    return f"{len(summary.unreadable):,} of {summary.images:,} files cannot be read: {them} left out."


def _left_out(summary: DataSummary) -> str:
    unreadable = {file.path for file in summary.unreadable}
    others = {file.path for file in summary.quarantined} - unreadable
    if not others:
        return ""
    more = " more" if unreadable else ""
    return (
        f"{len(others):,}{more} {'image is' if len(others) == 1 else 'images are'} quarantined, and left out."
    )


def _copies(summary: DataSummary) -> str:
    copies = _members(summary.exact_duplicates)
    if not copies:
        return ""
    conflicts = _members(summary.label_conflicts)
    told = f"{copies:,} images are byte-identical to another"
    return f"{told}; {conflicts:,} of them stand under different labels." if conflicts else f"{told}."


def _near_duplicates(summary: DataSummary) -> str:
    sets = summary.near_duplicates
    if not sets:
        return ""
    told = f"{_members(sets):,} images are almost the same as another ({_count(len(sets), 'set')})"
    mixed = sum(images.across_classes for images in sets)
    return f"{told}; {_count(mixed, 'set')} {_hold(mixed)} different labels." if mixed else f"{told}."


def _leaks(summary: DataSummary) -> str:
    near = [images for images in summary.near_duplicates if images.across_splits]
    told = {path for images in near for path in images.paths}
    copies = [images for images in summary.exact_duplicates if images.across_splits]
    leaks = len(near) + sum(images.paths[0] not in told for images in copies)
    if not leaks:
        return ""
    return (
        f"{_count(leaks, 'set')} of copies or near-duplicates {_stand(leaks)} in several splits:"
        " tests on such images flatter the model."
    )


def _doubtful_labels(summary: DataSummary) -> str:
    accuracy = summary.out_of_fold_accuracy
    if not summary.label_issues:
        if accuracy is None or accuracy >= TRUSTED:
            return ""
        return (
            f"No label is doubted, but the model that looked gives only {percent(accuracy)} of them itself."
        )
    worst, count = summary.label_issues[0], len(summary.label_issues)
    trust = f" The model that doubts them is right for {percent(accuracy)} of the images." if accuracy else ""
    label, suggested = (name or "no class" for name in (worst.label, worst.suggested_label))
    example = f"“{worst.path}” is labelled “{label}” and looks like “{suggested}”"
    return f"{_count(count, 'label')} {_are(count)} doubtful: {example}.{trust}"


def _small_classes(summary: DataSummary) -> str:
    small = sorted((images.count, images.name) for images in summary.classes if images.count < FEW_IMAGES)
    if not small:
        return ""
    count, name = small[0]
    if len(small) == 1:
        return f"Class “{name}” has only {_images(count)}: nothing can be said of it."
    return (
        f"{len(small)} classes have fewer than {FEW_IMAGES} images, “{name}” only {count:,}:"
        " little can be said of them."
    )


def _balance(summary: DataSummary) -> str:
    counts = sorted((images.count, images.name) for images in summary.classes if images.count)
    if not counts or counts[-1][0] < UNEVEN * counts[0][0]:
        return ""
    (least, smallest), (most, largest) = counts[0], counts[-1]
    return (
        f"The largest class, “{largest}” ({most:,}), has {most / least:.1f} times the images"
        f" of the smallest, “{smallest}” ({least:,})."
    )


def _everywhere(summary: DataSummary) -> str:
    if summary.task == "multi_class":
        return ""
    everywhere = [
        images.name for images in summary.classes if images.count >= NEARLY_ALL * max(summary.readable, 1)
    ]
    names = ", ".join(f"“{name}”" for name in everywhere)
    return (
        f"On nearly every image: {names}. A model learns little from what is always there." if names else ""
    )


def _issues(summary: DataSummary) -> list[str]:
    """The most frequent first."""
    found = sorted(summary.issues.items(), key=lambda item: -len(item[1]))
    return [_issue(issue, len(paths), summary.readable) for issue, paths in found if paths]


def _issue(issue: str, count: int, readable: int) -> str:
    if count == readable:
        return f"All images are {ISSUE_WORDS[issue]}."
    return f"{_images(count)} ({percent(count / readable)}) {_are(count)} {ISSUE_WORDS[issue]}."


def _members(sets: Sequence[ImageSet]) -> int:
    return sum(len(images.paths) for images in sets)


def _images(count: int) -> str:
    return _count(count, "image")


def _count(count: int, noun: str, plural: str = "") -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {plural or noun + 's'}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _hold(count: int) -> str:
    return "holds" if count == 1 else "hold"


def _stand(count: int) -> str:
    return "stands" if count == 1 else "stand"
