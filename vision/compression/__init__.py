"""From a calibrated classifier to the one that serves: smaller, faster, within the accuracy budget."""
