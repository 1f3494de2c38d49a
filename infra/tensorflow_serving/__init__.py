"""What TensorFlow Serving is given, and the checks of it that need no TensorFlow Serving."""
