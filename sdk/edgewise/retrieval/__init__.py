"""Retrieval: the pretrained network of a zoo that suits pictures and a device's milliseconds."""
