"""Makes `zenml pipeline run training` literal: ZenML imports a SOURCE without a dot as a module."""

import sys

from pipelines.training import training

training.__spec__ = __spec__
sys.modules[__name__] = training
