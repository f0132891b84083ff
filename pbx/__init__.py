"""Everything that speaks with Asterisk: installing and starting it, its manager interface, what its events mean.

Knows nothing of `service`; may be used without it.
"""
