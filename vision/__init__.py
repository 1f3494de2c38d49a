"""The domain: everything about images and classifiers, nothing about ZenML, MLflow or BentoML.

The files in the order in which an image meets them:

    sources/ -> manifest -> splitting -> preprocessing -> prepared -> augmentation
    -> training/ -> tuning -> classifier -> metrics -> evaluation -> explanation -> report/
    -> compression/ -> runtimes/ -> golden -> bundle -> promotion

`config` holds the schema of the YAML, `errors` the exception tree.
"""
