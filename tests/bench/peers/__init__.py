"""The peers: run in a virtual environment of their own, never imported by the product or its tests."""
