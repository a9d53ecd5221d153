"""The final predictor: packaged, registered, found again by a reference, and asked; its history, looks and card.

Predicting needs no Keras and no TensorFlow: the network travels as ONNX with the settings that prepare a scan for it.
Nothing here trains, and nothing is pickled.
"""
