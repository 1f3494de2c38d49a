"""What a classifier knows of its own doubt: prediction sets, when to abstain, how unusual an image is.

`rules` is what a bundle carries and the service applies, by NumPy alone. `conformal`, `abstention`,
`label_recall` and `vector_scaling` fit it to validation images; vision.calibration calls them. `evaluation`
says what it was worth on test images. `dropout` and `disagreement` ask many networks instead of one.
"""
