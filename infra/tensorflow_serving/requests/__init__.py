"""Requests to TensorFlow Serving, and two clients that send such: to run, to read, to copy."""
