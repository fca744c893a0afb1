"""Unit tests of the SDK on an ordinary Python: `python3 -m unittest` in the folder above."""
