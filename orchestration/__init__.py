"""Loads extracts, drives the dbt project and publishes the marts."""

from pathlib import Path

# The project: models, macros, seeds and settings lie here.
ROOT = Path(__file__).resolve().parents[1]
