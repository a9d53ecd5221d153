"""Networks: built, trained, evaluated, calibrated, compared, exported.

Arrays and settings come in, numbers and networks go out: nothing here opens a scan file or knows where runs are
stored. Keras is imported only by the modules that build or train.
"""
