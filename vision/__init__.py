"""The domain: everything about images and classifiers, nothing about ZenML, MLflow or BentoML.

The files in the order in which an image meets them:

    location -> sources/ -> (glance -> starting_point and its files)
    -> decoding, enhancement -> preprocessing -> shards -> pixel_store -> ingest -> manifest
    -> inspection/ -> split_memory, stratification -> splitting -> image_array -> prepared -> data_report/
    -> augmentation_policy, augmentation and its layers
    -> recipes, training_config -> search_space, tuning_parameters, tuning and its files
    -> pretrained, model_facts -> training/
    -> task, classifier -> calibration, multi_label
    -> uncertainty/ -> metrics, intervals, resampling, curves, right_answers, class_scores -> evaluation
    -> cross_validation/, slices and its files, mcnemar -> paired, robustness/ -> evidence/
    -> explanation/ -> report/
    -> exporting/ -> compression/ -> runtimes/ -> golden -> bundle -> comparison -> promotion

`section`, `config` and those whose names end in `_config` hold the schema of the YAML,
`config_file` reads it, `errors` is the exception tree, `parallel` runs one function over many images,
`file_lock` keeps two runs apart.
"""
