"""Measure what the product costs against hand-written programs, side by side in one run."""
