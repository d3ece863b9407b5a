"""The template, translated offline: what `sam validate --lint` does not see."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from cfnlint.api import lint  # type: ignore[import-untyped]

from tests.infra import rules
from tests.infra.stack import REGION, ROOT, TEMPLATE, Template, source, translated

Break = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def template() -> Template:
    return translated(source())


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_stack_keeps_each_rule(rule: rules.Rule, template: Template) -> None:
    """Each rule in `rules.py` holds for what CloudFormation will see."""
    rule(template)


def statement(name: str, sid: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def find(resources: dict[str, Any]) -> dict[str, Any]:
        statements = resources[name]["Properties"]["Policies"][0]["Statement"]
        found: dict[str, Any] = next(s for s in statements if s["Sid"] == sid)
        return found

    return find


def prop(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda resources: resources[name]["Properties"]


WRITE_FACTS = statement("RouteFunction", "WriteFacts")
KEEP_VIEWS = statement("RollupFunction", "KeepViews")
ROUTE, ROLLUP = prop("RouteFunction"), prop("RollupFunction")
FACTS, VIEWS = prop("FactsTable"), prop("ViewsTable")
BEDROCK = prop("RouteBedrockPolicy")


def schedule(resources: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = ROLLUP(resources)["Events"]["EveryMinute"]["Properties"]
    return found


def env(resources: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = ROUTE(resources)["Environment"]["Variables"]
    return found


# What somebody might do to the template, under the rule that must notice.
BREAKS: dict[rules.Rule, list[Break]] = {
    rules.roles_allow_exactly_the_table: [
        lambda r: WRITE_FACTS(r)["Action"].append("dynamodb:DeleteItem"),
        lambda r: WRITE_FACTS(r).update(Resource="*"),
        lambda r: KEEP_VIEWS(r)["Action"].remove("dynamodb:DeleteItem"),
        lambda r: ROUTE(r)["Policies"].append("arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess"),
    ],
    rules.bedrock_is_out_of_reach_unless_asked_for: [
        lambda r: r["RouteBedrockPolicy"].pop("Condition"),
        lambda r: r["RouteBedrockPolicy"].update(Condition="UrlIsOpen"),
        lambda r: r.pop("RouteBedrockPolicy"),
        lambda r: BEDROCK(r).update(Roles=[{"Ref": "RollupFunctionRole"}]),
        lambda r: BEDROCK(r)["PolicyDocument"]["Statement"][0].update(Resource="*"),
        lambda r: BEDROCK(r)["PolicyDocument"]["Statement"][1]["Action"].append("bedrock-mantle:*"),
        lambda r: r.update(Extra={"Type": "AWS::IAM::RolePolicy", "Properties": {}}),
    ],
    rules.no_other_role_than_the_schedules: [
        lambda r: r.update(Extra={"Type": "AWS::IAM::Role", "Properties": {}}),
    ],
    rules.functions_run_on_arm_with_their_sizes: [
        lambda r: ROUTE(r).update(MemorySize=1024),
        lambda r: ROLLUP(r).update(Timeout=60),
        lambda r: ROLLUP(r).update(Architectures=["x86_64"]),
    ],
    rules.functions_know_their_tables: [lambda r: env(r).pop("AWS_LAMBDA_EXEC_WRAPPER")],
    rules.the_url_streams: [lambda r: ROUTE(r)["FunctionUrlConfig"].pop("InvokeMode")],
    rules.an_open_url_has_both_permissions: [
        lambda r: r.pop("RouteInvokePermission"),
        lambda r: r["RouteInvokePermission"]["Properties"].pop("InvokedViaFunctionUrl"),
        lambda r: r["RouteUrlPermission"].pop("Condition"),
    ],
    rules.the_rollup_runs_every_minute_and_is_never_repeated: [
        lambda r: schedule(r).update(ScheduleExpression="rate(5 minutes)"),
        lambda r: schedule(r).pop("OmitName"),
        lambda r: ROLLUP(r)["EventInvokeConfig"].update(MaximumRetryAttempts=2),
    ],
    rules.tables_have_their_keys: [
        lambda r: FACTS(r)["KeySchema"][1].update(AttributeName="at"),
        lambda r: FACTS(r)["GlobalSecondaryIndexes"][0].update(Projection={"ProjectionType": "ALL"}),
        lambda r: FACTS(r)["GlobalSecondaryIndexes"].pop(),
    ],
    rules.tables_outlive_the_stack: [
        lambda r: r["ViewsTable"].pop("DeletionPolicy"),
        lambda r: VIEWS(r)["TimeToLiveSpecification"].update(Enabled=False),
        lambda r: FACTS(r).pop("PointInTimeRecoverySpecification"),
        lambda r: VIEWS(r).pop("PointInTimeRecoverySpecification"),
    ],
    rules.logs_are_ours_and_expire: [
        lambda r: r["RouteLogGroup"]["Properties"].pop("RetentionInDays"),
        lambda r: ROLLUP(r).pop("LoggingConfig"),
    ],
    rules.no_secret_in_plain_text: [
        lambda r: env(r).update(ACME_API_KEY="abc"),
        lambda r: env(r).update(ACME="sk-ant-0123456789"),
    ],
}
CASES = [
    pytest.param(rule, damage, id=f"{rule.__name__}-{n}")
    for rule, damages in BREAKS.items()
    for n, damage in enumerate(damages)
]


@pytest.mark.parametrize(("rule", "damage"), CASES)
def test_each_rule_can_fail(rule: rules.Rule, damage: Break) -> None:
    """A rule that no change of the template could break would guard nothing."""
    damaged = source()
    damage(damaged["Resources"])
    stack = translated(damaged)
    with pytest.raises((AssertionError, KeyError)):
        rule(stack)


@pytest.mark.parametrize(
    ("rule", "name", "damage"),
    [
        (
            rules.bedrock_is_out_of_reach_unless_asked_for,
            "Parameters",
            lambda p: p["BedrockAccess"].update(Default="invoke"),
        ),
        (
            rules.bedrock_is_out_of_reach_unless_asked_for,
            "Conditions",
            lambda c: c.update(BedrockIsAllowed={"Fn::Equals": [{"Ref": "BedrockAccess"}, "none"]}),
        ),
        (rules.parameters_say_their_unit, "Parameters", lambda p: p["RouteMemoryMb"].update(Description="Size.")),
        (rules.outputs_name_what_others_need, "Outputs", lambda o: o.pop("RouterUrl")),
    ],
)
def test_rules_on_parameters_and_outputs_can_fail(rule: rules.Rule, name: str, damage: Break) -> None:
    """As above, for what is not a resource."""
    damaged = source()
    damage(damaged[name])
    with pytest.raises((AssertionError, KeyError)):
        rule(damaged)


def test_local_tools_can_read_the_tables() -> None:
    """Local tables are made from these two resources, so nothing in them may need CloudFormation."""
    resources = source()["Resources"]
    for name in ("FactsTable", "ViewsTable"):
        assert not [word for word in ("Fn::", '"Ref"', '"Condition"') if word in json.dumps(resources[name])]


def test_what_the_transform_makes_passes_cfn_lint(template: Template) -> None:
    """The linter sees the resources that SAM adds, too: permissions, roles, the schedule."""
    assert [str(match) for match in lint(json.dumps(template), regions=[REGION])] == []


def test_the_linter_would_notice() -> None:
    """A made-up property of a resource that SAM adds is a finding."""
    damaged = source()
    damaged["Resources"]["RouteFunction"]["Properties"]["FunctionUrlConfig"]["InvokeMode"] = "SOMETIMES"
    assert lint(json.dumps(translated(damaged)), regions=[REGION])


@pytest.mark.sam
def test_sam_finds_the_template_valid() -> None:
    """`sam validate --lint` passes."""
    if not (ROOT / ".tools" / "sam" / "bin" / "sam").exists():
        pytest.skip("the SAM CLI is not installed: scripts/sam --version installs it")
    sam = [str(ROOT / "scripts" / "sam"), "validate", "--lint", "--region", REGION, "--template", str(TEMPLATE)]
    done = subprocess.run(sam, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
