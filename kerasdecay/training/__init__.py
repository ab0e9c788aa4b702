"""Trainings under Keras: which optimizer, how its rate is set, what is measured, who drives it.

The callbacks for users stand in `kerasdecay.callbacks`.
"""
