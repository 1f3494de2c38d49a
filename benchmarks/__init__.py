"""What BENCHMARKS.md says, measured: `make bench` runs all, `python -m benchmarks NAME ...` some."""
