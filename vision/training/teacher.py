"""A teacher in a training: its answers to a batch, and the loss of a student that is to give the same.

Knowledge distillation by Hinton et al. 2015 ("Distilling the knowledge in a neural network"). The teacher
answers inside the training step, to the very images that the student sees, augmented and mixed: answers
computed once, to plain images, make a student that falls behind (Beyer et al. 2022, "Knowledge distillation:
a good teacher is patient and consistent").

Of keras.distillation the loss is used, not the Distiller: it has no place for augmentation that changes
targets too, leaves out class weights, cannot do several labels an image, and saves the teacher with each
checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from vision.task import Task

# As Hinton's loss is run in the comparison of twelve methods by Tian et al. 2020 ("Contrastive representation
# distillation"). The labels have the rest of the weight: Hinton 2015, section 2, has it "considerably lower".
TEMPERATURE, SOFT_WEIGHT = 4.0, 0.9


@dataclass(frozen=True, eq=False)
class Teacher:
    """A network of one image size; the student knows the same classes.

    No layer, so that Keras neither trains its weights nor puts them into checkpoints.
    """

    model: keras.Model
    task: Task

    def logits(self, images: Any) -> Any:
        """Logits (N, K) of images (N, h, w, 3), 0..255; where images grow, the first ones are enlarged."""
        size = self.model.input_shape[1:3]
        if tuple(images.shape[1:3]) != size:
            images = ops.image.resize(images, size, interpolation="bilinear")
        return ops.stop_gradient(self.model(images, training=False))


def soft_loss(teacher_logits: Any, student_logits: Any, task: Task) -> Any:
    """T^2 times the Kullback-Leibler divergence of the student's from the teacher's answers at temperature T.

    The mean over images of logits (N, K); of several labels an image, over labels too. T^2 makes gradients as
    large as those of the labels (Hinton et al. 2015, section 2).
    """
    if task == "multi_label":
        teacher_logits, student_logits = _there_or_not(teacher_logits), _there_or_not(student_logits)
    # Keras 3.15 applies no softmax and no T^2 where the divergence is not an instance, as its default is not.
    loss = keras.distillation.LogitsDistillation(TEMPERATURE, loss=keras.losses.KLDivergence())
    return loss.compute_loss(teacher_logits, student_logits)


def _there_or_not(logits: Any) -> Any:
    """(N, K, 2): each label as two classes, there or not, whose softmax is the sigmoid of its logit."""
    return ops.stack([logits, ops.zeros_like(logits)], axis=-1)
