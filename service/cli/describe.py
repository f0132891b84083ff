"""The whole API on paper, from what its routes declare: the same routes, the same bytes.

python -m service.cli.describe openapi                     # the OpenAPI document: `make types` reads it
python -m service.cli.describe rights > docs/rights.md     # who may ask for what
"""

from __future__ import annotations

import sys
from typing import Final

from service.app import ROUTE_TABLES
from service.http import openapi, rights

_PAPERS: Final = {"openapi": openapi.rendered, "rights": rights.rendered}


def main() -> None:
    """Print the one that is named."""
    asked = sys.argv[1:]
    if len(asked) != 1 or asked[0] not in _PAPERS:
        sys.exit(f"python -m service.cli.describe {'|'.join(_PAPERS)}")
    print(_PAPERS[asked[0]](ROUTE_TABLES), end="")


if __name__ == "__main__":
    main()
