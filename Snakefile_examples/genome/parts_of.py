"""Print the numbers of a chromosome's parts: parts_of.py PARTS.JSON CHROMOSOME."""

import json
import sys
from pathlib import Path

path, chromosome = sys.argv[1:]
parts = json.loads(Path(path).read_text())["parts"]
numbers = [str(part["part"]) for part in parts if part["region"].rpartition(":")[0] == chromosome]
if not numbers:
    sys.exit(f"{path} has no part of {chromosome}: look at 'chromosomes' in config.yaml")
print(",".join(numbers))
