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
