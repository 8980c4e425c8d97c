"""Stateful simulators of the vendors' HTTP APIs: for the demo, rehearsals and tests. Knows nothing of a release."""
