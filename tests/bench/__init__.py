"""`make bench`: what the product costs, each figure beside its peer's in the same run."""
