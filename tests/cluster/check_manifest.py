# SPDX-License-Identifier: Apache-2.0
"""Validates the documents of a Kubernetes manifest against the schemas of several versions, strictly, and prints them as
one JSON array. Runs in build/cluster, which has kubernetes-validate (tests/cluster/requirements.txt):
build/cluster/bin/python tests/cluster/check_manifest.py FILE
"""

import json
import sys

import kubernetes_validate
import yaml

# backoffLimitPerIndex and FailIndex: beta in 1.29, stable in 1.33.
VERSIONS = ("1.29", "1.31", "1.33", "1.35", "1.37")


def main() -> int:
    with open(sys.argv[1], encoding="utf-8") as file:
        documents = list(yaml.safe_load_all(file))
    for document in documents:
        for version in VERSIONS:
            kubernetes_validate.validate(document, version, strict=True)
    print(json.dumps(documents))
    return 0


if __name__ == "__main__":
    sys.exit(main())
