"""What a classifier knows of its own doubt: prediction sets, when to abstain, how unusual an image is."""
