"""Networks: built, trained, evaluated.

Nothing here knows where runs are stored; what happens is yielded to the caller. Keras is imported only by the modules
that build or train.
"""
