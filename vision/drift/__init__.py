"""Does the service still see what the model was made for?

What is compared: profile.py (the two sides), answering.py (what answers say), reference.py (the validation
images), properties.py and embedding.py (what images look like). How: comparing_images.py,
comparing_answers.py, comparing_feedback.py, permutation.py, and accuracy.py without labels. What comes of it:
detection.py (all tests as one family), contents.py (the report), gallery.py (the strangest images), report.py
(a page with all of it).
"""
