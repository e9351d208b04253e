"""Trains a conditional prior for Cartesian MR: one network that is given the measurement.

The network has two uses. Without noise it is called a few times along a ladder of nested masks and gives a point
estimate (`ladder.py`). With noise in the lines that were not measured it is the score of the posterior
(`posterior.py`). `python -m trainer --help` trains it, on a CPU or a GPU; `README.md` beside this file explains.
"""
