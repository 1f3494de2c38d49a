"""The exception tree. Every message says what was received, what is allowed, where to change it.

SightlineError              the user can mend it; shown as one message, without a traceback
├── ConfigError             a value of the YAML that cannot work
├── DataError               images, labels or folders that cannot be used
│   ├── ImageError          bytes that are not a usable image
│   │   └── ImageTooLarge   more bytes or pixels than allowed
│   └── ContractBreach      a critical expectation of data_contracts/ failed
├── OutOfMemory             the device's memory does not hold a training step of one image
├── TrainingRuns            one training at a time, and another is running
├── BundleError             a bundle that is incomplete, altered or of a newer schema
└── RegistryError           versions and the champion
    ├── UnknownVersion      no such version
    ├── NoChampion          nothing has been promoted yet
    └── PromotionConflict   somebody else moved the champion in between
"""


class SightlineError(Exception):
    """A mistake that the user can mend."""


class ConfigError(SightlineError):
    """A value of the configuration cannot work."""


class DataError(SightlineError):
    """Images, labels or folders cannot be used."""


class ImageError(DataError):
    """The bytes are not a usable image."""


class ImageTooLarge(ImageError):
    """The image has more bytes or pixels than allowed."""


class ContractBreach(DataError):
    """A critical expectation of a data contract failed."""


class OutOfMemory(SightlineError):
    """The device's memory does not hold a training step of one image."""


class TrainingRuns(SightlineError):
    """Another training is running."""


class BundleError(SightlineError):
    """A bundle is incomplete, altered or of a newer schema."""


class RegistryError(SightlineError):
    """The registry cannot do what was asked."""


class UnknownVersion(RegistryError):
    """No such version of the model."""


class NoChampion(RegistryError):
    """Nothing has been promoted yet."""


class PromotionConflict(RegistryError):
    """Somebody else moved the champion in between."""


def one_of(kind: str, received: object, allowed: object, where: str) -> str:
    """Message for a name that is not in a table: what was received, what is allowed, where to change it."""
    choices = ", ".join(sorted(str(choice) for choice in allowed))  # type: ignore[attr-defined]
    return f'unknown {kind} "{received}": choose one of {choices}; set {where}'
