"""k-fold cross-validation: folds, the trainings, their answers, and the scores that the report shows."""
