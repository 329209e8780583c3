"""Measurements, each a module that runs by itself: `python -m tests.bench.NAME`. Never a test with a time limit."""
