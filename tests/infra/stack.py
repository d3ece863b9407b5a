"""The template as CloudFormation will see it: translated offline, without an account."""

import copy
import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

from samtranslator.translator.transform import transform  # type: ignore[import-untyped]
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "infra" / "template.yaml"
REGION = "eu-central-1"
BASIC_ROLE = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"

Template = dict[str, Any]


class ManagedPolicies:
    """Stands in for the loader that asks IAM for the names of managed policies."""

    def load(self) -> dict[str, str]:
        return {"AWSLambdaBasicExecutionRole": BASIC_ROLE}


def source() -> Template:
    """The template as it is written, with CloudFormation's tags as `Fn::` mappings."""
    template: Template = yaml_parse(TEMPLATE.read_text())
    return template


def translated(template: Template, **parameters: str) -> Template:
    """What the SAM transform makes of it. Parameters that are not given have their defaults."""
    fragment = copy.deepcopy(template)
    fragment["Globals"]["Function"]["CodeUri"] = "s3://bucket/code.zip"  # as `sam package` leaves it
    with patch.dict(os.environ, {"AWS_DEFAULT_REGION": REGION}):
        result: Template = transform(fragment, dict(parameters), ManagedPolicies())
    return result


def created(template: Template, **parameters: str) -> dict[str, dict[str, Any]]:
    """The resources that CloudFormation makes with these parameters, the others at their defaults.

    Raises KeyError for a condition that is more than a parameter's equality, which is all that ours are.
    """
    values = {name: parameter.get("Default") for name, parameter in template["Parameters"].items()} | parameters

    def holds(condition: str) -> bool:
        left, right = template["Conditions"][condition]["Fn::Equals"]
        return bool(values[left["Ref"]] == right)

    resources: dict[str, dict[str, Any]] = template["Resources"]
    return {name: r for name, r in resources.items() if "Condition" not in r or holds(r["Condition"])}
