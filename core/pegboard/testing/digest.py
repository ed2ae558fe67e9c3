"""Print a component's digest: `python -m pegboard.testing.digest '["tokenizer", {"component": "word"}]'`."""

from __future__ import annotations

import json
import sys

from pegboard.testing.conformance import conformance_of

if __name__ == "__main__":
    kind, settings = json.loads(sys.argv[1])
    print(conformance_of(kind, **settings)().digest())
