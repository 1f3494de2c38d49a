"""Does the service still see what the model was made for? profile.py, then detection.py, then report.py."""
