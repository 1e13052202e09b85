"""The judge: drives a specification and a server through the same byte streams."""
