"""A workspace with MLflow's database, as the registry's tests have it."""

from tests.registry.conftest import empty_database, fake_runtime, register, workspace

__all__ = ["empty_database", "fake_runtime", "register", "workspace"]
