"""The order of the steps, and nothing else. `zenml pipeline run pipelines.NAME.NAME`."""
