"""Fixtures of several suites."""

from tests.unit.delivered import delivered as delivered
