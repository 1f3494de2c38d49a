"""From prepared images to a fitted classifier, in pure Keras 3: TensorFlow or JAX."""
