"""Calls: the telephony of one visit of a caller, from ring to goodbye, over all its transfers. One call, one record."""
