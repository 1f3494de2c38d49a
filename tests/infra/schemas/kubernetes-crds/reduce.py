"""A CRD's YAML -> the JSON schema of one of its versions, strict and without prose. How: README.md."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

# Rules in CEL and Kubernetes' own marks: jsonschema would pass over them.
LEFT_OUT = ("description", "x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys")


def reduced(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, in which an object takes the properties that it names and no other."""
    kept = {key: value for key, value in schema.items() if key not in LEFT_OUT}
    if "properties" in kept:
        kept["properties"] = {name: reduced(value) for name, value in kept["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            kept["additionalProperties"] = False
    for key in ("items", "additionalProperties"):
        if isinstance(kept.get(key), dict):
            kept[key] = reduced(kept[key])
    return kept


def main(source: Path, version: str, target: Path) -> None:
    crd = yaml.safe_load(source.read_text())
    (schema,) = [
        one["schema"]["openAPIV3Schema"] for one in crd["spec"]["versions"] if one["name"] == version
    ]
    schema["properties"]["metadata"] = {"type": "object"}  # Kubernetes' own, checked with every kind
    strict = reduced(schema)
    strict["properties"]["apiVersion"] = {"const": f"{crd['spec']['group']}/{version}"}
    strict["properties"]["kind"] = {"const": crd["spec"]["names"]["kind"]}
    strict["required"] = sorted({"apiVersion", "kind", "metadata", *schema.get("required", ())})
    target.write_text(json.dumps(strict, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
