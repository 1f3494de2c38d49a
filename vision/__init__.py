"""The domain: everything about images and classifiers, nothing about ZenML, MLflow or BentoML.

The files in the order in which an image meets them:

    sources/ -> ingest -> manifest -> splitting -> preprocessing -> prepared
    -> augmentation_policy, augmentation -> tuning_parameters, tuning -> training/
    -> classifier -> calibration
    -> metrics, intervals, resampling, curves -> evaluation
    -> explanation, grad_cam, occlusion -> report/
    -> export -> compression/ -> runtimes/ -> golden -> bundle -> comparison -> promotion

`config` and `data_config` hold the schema of the YAML, `config_file` reads it, `errors` is the exception
tree, `parallel` runs one function over many images.
"""
