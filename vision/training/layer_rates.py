"""A learning rate for each layer: low layers of a pretrained network are general, and change slowly.

As in ULMFiT (Howard & Ruder 2018, section 3.2) and ELECTRA (Clark et al. 2020, appendix A), by block.
Keras' MultiOptimizer would clip the gradients of each rate apart, and shows callbacks no learning rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

# The layers are cut into so many blocks of equal length: networks have no common name for theirs.
BLOCKS = 10


def layer_rates(backbone: Sequence[keras.layers.Layer], *, decay: float) -> dict[str, float]:
    """Path of a variable -> factor of its rate: decay for the top block, decay**10 for the lowest.

    `backbone` lists the layers with weights from the bottom; what is above it, the head, has 1.
    """
    return {
        variable.path: decay ** (1 + (len(backbone) - 1 - place) * BLOCKS // len(backbone))
        for place, layer in enumerate(backbone)
        for variable in layer.variables
    }


def with_rates(
    kind: type[keras.optimizers.Optimizer], rates: Mapping[str, float]
) -> type[keras.optimizers.Optimizer]:
    """`kind`, with learning rate and weight decay of a variable times rates[its path], or 1."""

    class WithRates(kind):
        def build(self, variables: list[keras.Variable]) -> None:
            if not self.built:
                self._rates = [rates.get(variable.path, 1.0) for variable in variables]
                # Keras decays all variables at one rate, before the step; here it is done in it.
                self._decay = float(self.weight_decay or 0)
                self.weight_decay: float | None = None
            super().build(variables)

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            own_rate = (
                ops.cast(learning_rate, variable.dtype) * self._rates[self._get_variable_index(variable)]
            )
            if self._decay:
                self.assign_sub(variable, variable * (own_rate * self._decay))
            super().update_step(gradient, variable, own_rate)

    return WithRates
