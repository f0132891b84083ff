"""The live view: a snapshot with a number, then numbered changes, to each page only what its roles may see."""
