"""What must be true of the deployed stack. Each rule takes the translated template and raises `AssertionError`."""

import json
import re
from collections.abc import Callable
from typing import Any

from tests.infra.stack import BASIC_ROLE, Template, created

Rule = Callable[[Template], None]
ATTACHABLE = {"AWS::IAM::Policy", "AWS::IAM::RolePolicy", "AWS::IAM::ManagedPolicy"}
FACTS, VIEWS = {"Fn::GetAtt": ["FactsTable", "Arn"]}, {"Fn::GetAtt": ["ViewsTable", "Arn"]}

# function → statement → (actions, resources): all that the two roles may do, to the letter.
ALLOWED: dict[str, dict[str, tuple[set[str], list[Any]]]] = {
    "RouteFunction": {
        "WriteFacts": ({"dynamodb:PutItem", "dynamodb:UpdateItem"}, [FACTS]),
        "ReadOneInferenceOrSession": (
            {"dynamodb:Query"},
            [FACTS, {"Fn::Sub": "${FactsTable.Arn}/index/by_session"}],
        ),
        "ReadViewsAndKeys": ({"dynamodb:GetItem", "dynamodb:Query"}, [VIEWS]),
        "ReadProviderKeysFromParameters": (
            {"ssm:GetParameter"},
            [{"Fn::Sub": "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/warmroute/*"}],
        ),
        "ReadProviderKeysFromSecrets": (
            {"secretsmanager:GetSecretValue"},
            [
                {
                    "Fn::Sub": "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:"
                    "secret:warmroute/*"
                }
            ],
        ),
    },
    "RollupFunction": {
        "ReadNewAndOpenFacts": (
            {"dynamodb:Query"},
            [FACTS, {"Fn::Sub": "${FactsTable.Arn}/index/by_minute"}],
        ),
        "CloseLostInferences": (
            {"dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
            [FACTS],
        ),
        "KeepViews": (
            {
                "dynamodb:BatchGetItem",
                "dynamodb:DeleteItem",
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:Query",
                "dynamodb:UpdateItem",
            },
            [VIEWS],
        ),
    },
}

# What the parameter BedrockAccess adds to the router's role.
BEDROCK: dict[str, tuple[set[str], list[Any]]] = {
    "InvokeModels": (
        {"bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"},
        [
            {"Fn::Sub": "arn:${AWS::Partition}:bedrock:*::foundation-model/*"},
            {"Fn::Sub": "arn:${AWS::Partition}:bedrock:*:${AWS::AccountId}:inference-profile/*"},
            {"Fn::Sub": "arn:${AWS::Partition}:bedrock:*:${AWS::AccountId}:application-inference-profile/*"},
        ],
    ),
    "InferThroughMantle": (
        {"bedrock-mantle:CreateInference", "bedrock-mantle:CountTokens"},
        [{"Fn::Sub": "arn:${AWS::Partition}:bedrock-mantle:*:${AWS::AccountId}:project/default"}],
    ),
}


def properties(template: Template, name: str) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"][name]["Properties"]
    return found


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def of_type(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    return {name: r["Properties"] for name, r in template["Resources"].items() if r["Type"] == kind}


def roles_allow_exactly_the_table(template: Template) -> None:
    """No role can do more than the table above, and none lacks a line of it."""
    for function, allowed in ALLOWED.items():
        role = properties(template, f"{function}Role")
        statements = [s for policy in role["Policies"] for s in policy["PolicyDocument"]["Statement"]]
        assert rights(statements) == allowed
        assert role["ManagedPolicyArns"] == [BASIC_ROLE]


def rights(statements: list[dict[str, Any]]) -> dict[str, tuple[set[str], list[Any]]]:
    """Statements in the form of the tables above."""
    assert all(s["Effect"] == "Allow" for s in statements)
    return {s["Sid"]: (set(as_list(s["Action"])), as_list(s["Resource"])) for s in statements}


def bedrock_is_out_of_reach_unless_asked_for(template: Template) -> None:
    """By default nothing is attached to a role later; the parameter attaches exactly the table to the router's."""
    attached = {name for name, r in template["Resources"].items() if r["Type"] in ATTACHABLE}
    assert attached == {"RouteBedrockPolicy"}
    assert "RouteBedrockPolicy" not in created(template)
    assert "RouteBedrockPolicy" in created(template, BedrockAccess="invoke")
    policy = properties(template, "RouteBedrockPolicy")
    assert policy["Roles"] == [{"Ref": "RouteFunctionRole"}]
    assert rights(policy["PolicyDocument"]["Statement"]) == BEDROCK


def no_other_role_than_the_schedules(template: Template) -> None:
    """The third role is the schedule's, which may only start the rollup."""
    roles = set(of_type(template, "AWS::IAM::Role"))
    assert roles == {"RouteFunctionRole", "RollupFunctionRole", "RollupFunctionEveryMinuteRole"}
    (policy,) = properties(template, "RollupFunctionEveryMinuteRole")["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == "lambda:InvokeFunction"
    assert statement["Resource"] == {"Fn::GetAtt": ["RollupFunction", "Arn"]}


def functions_run_on_arm_with_their_sizes(template: Template) -> None:
    """Memory is most of a routed request's price; 900 s is the platform's longest."""
    expected = {
        "RouteFunction": ("route.hosting.runtime.handler", {"Ref": "RouteMemoryMb"}, 900),
        "RollupFunction": ("rollup.handler.handler", 256, 120),
    }
    for name, (handler, memory, timeout) in expected.items():
        function = properties(template, name)
        assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])
        assert (function["Handler"], function["MemorySize"], function["Timeout"]) == (
            handler,
            memory,
            timeout,
        )
        assert "ReservedConcurrentExecutions" not in function
    assert template["Parameters"]["RouteMemoryMb"]["Default"] == 256


def functions_know_their_tables(template: Template) -> None:
    """Environment: tables by reference, so that no name is written twice."""
    tables = {
        "WARMROUTE_FACTS_TABLE": {"Ref": "FactsTable"},
        "WARMROUTE_VIEWS_TABLE": {"Ref": "ViewsTable"},
        "WARMROUTE_LOG_LEVEL": {"Ref": "LogLevel"},
    }
    assert properties(template, "RouteFunction")["Environment"]["Variables"] == tables | {
        "AWS_LAMBDA_EXEC_WRAPPER": "/var/task/route/bootstrap",
        "WARMROUTE_CONFIG": "/var/task/warmroute.yaml",
    }
    assert properties(template, "RollupFunction")["Environment"]["Variables"] == tables | {
        "WARMROUTE_ROLLUP_PASS_EVERY_S": {"Ref": "RollupPassEverySeconds"},
    }
    assert template["Parameters"]["RollupPassEverySeconds"]["Default"] == 10


def the_url_streams(template: Template) -> None:
    """Buffered is the platform's default: first tokens would wait for last ones."""
    assert properties(template, "RouteFunctionUrl")["InvokeMode"] == "RESPONSE_STREAM"


def an_open_url_has_both_permissions(template: Template) -> None:
    """URLs made since October 2025 answer 403 with one alone; with AWS_IAM neither is there for everyone."""
    anyone = {"FunctionName": {"Ref": "RouteFunction"}, "Principal": "*"}
    permissions = of_type(template, "AWS::Lambda::Permission")
    assert permissions == {
        "RouteUrlPermission": anyone | {"Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"},
        "RouteInvokePermission": anyone | {"Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True},
    }
    assert {template["Resources"][name]["Condition"] for name in permissions} == {"UrlIsOpen"}
    assert template["Conditions"]["UrlIsOpen"] == {"Fn::Equals": [{"Ref": "FunctionUrlAuthType"}, "NONE"]}
    assert properties(template, "RouteFunctionUrl")["AuthType"] == {"Ref": "FunctionUrlAuthType"}


def the_rollup_runs_every_minute_and_is_never_repeated(template: Template) -> None:
    """The next minute makes up for a failed one, so retries would only add load to whatever is failing."""
    schedule = properties(template, "RollupFunctionEveryMinute")
    assert schedule["ScheduleExpression"] == "rate(1 minute)"
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert schedule["Target"]["RetryPolicy"] == {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 60}
    assert "Name" not in schedule  # a fixed one would keep a second stack out of the account
    invoke = properties(template, "RollupFunctionEventInvokeConfig")
    assert (invoke["MaximumRetryAttempts"], invoke["MaximumEventAgeInSeconds"]) == (0, 60)


def tables_have_their_keys(template: Template) -> None:
    """The keys and the two sparse indexes, which carry exactly the fact besides keys."""
    facts, views = properties(template, "FactsTable"), properties(template, "ViewsTable")
    assert keys(facts) == ["inference_id", "sk"]
    assert keys(views) == ["pk", "sk"]
    assert "GlobalSecondaryIndexes" not in views
    indexes = {index["IndexName"]: index for index in facts["GlobalSecondaryIndexes"]}
    assert {name: keys(index) for name, index in indexes.items()} == {
        "by_minute": ["by_minute", "at"],
        "by_session": ["by_session", "at"],
    }
    for index in indexes.values():
        assert index["Projection"] == {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["fact"]}
    types = {a["AttributeName"]: a["AttributeType"] for a in facts["AttributeDefinitions"]}
    assert types == {"inference_id": "S", "sk": "S", "by_minute": "S", "by_session": "S", "at": "N"}


def keys(table_or_index: dict[str, Any]) -> list[str]:
    schema = {key["KeyType"]: key["AttributeName"] for key in table_or_index["KeySchema"]}
    return [schema["HASH"], schema["RANGE"]]


def tables_outlive_the_stack(template: Template) -> None:
    """Money, history and keys: deleting the stack keeps them, PITR guards them, old rows expire by themselves."""
    for name in ("FactsTable", "ViewsTable"):
        resource = template["Resources"][name]
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")
        assert resource["Properties"]["BillingMode"] == "PAY_PER_REQUEST"
        ttl = resource["Properties"]["TimeToLiveSpecification"]
        assert ttl == {"AttributeName": "expires_at", "Enabled": True}
        recovery = resource["Properties"]["PointInTimeRecoverySpecification"]
        assert recovery == {"PointInTimeRecoveryEnabled": True}


def logs_are_ours_and_expire(template: Template) -> None:
    """A group that the platform makes by itself keeps its lines, and their price, for ever."""
    for name in ("Route", "Rollup"):
        group = properties(template, f"{name}LogGroup")
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}
        assert properties(template, f"{name}Function")["LoggingConfig"] == {"LogGroup": {"Ref": f"{name}LogGroup"}}
    assert template["Parameters"]["LogRetentionDays"]["Default"] == 30


SECRET = re.compile(
    r"sk-[\w-]{8,}|AKIA[0-9A-Z]{12,}|-----BEGIN|(?i:(api_?key|password|token|secret))\"?: \"[^\"{]"
)


def no_secret_in_plain_text(template: Template) -> None:
    """Keys of providers live in Parameter Store or Secrets Manager; a template is readable to half an account."""
    found = SECRET.search(json.dumps(template))
    assert not found, found


def parameters_say_their_unit(template: Template) -> None:
    """Every parameter is described, and a number says of what."""
    for name, parameter in template["Parameters"].items():
        assert parameter.get("Description"), name
        if parameter["Type"] == "Number":
            assert re.search(r"\b(MB|[Ss]econds|[Dd]ays)\b", parameter["Description"]), name


def outputs_name_what_others_need(template: Template) -> None:
    assert template["Outputs"]["RouterUrl"]["Value"] == {"Fn::GetAtt": ["RouteFunctionUrl", "FunctionUrl"]}
    assert template["Outputs"]["FactsTableName"]["Value"] == {"Ref": "FactsTable"}
    assert template["Outputs"]["ViewsTableName"]["Value"] == {"Ref": "ViewsTable"}


RULES: list[Rule] = [
    roles_allow_exactly_the_table,
    bedrock_is_out_of_reach_unless_asked_for,
    no_other_role_than_the_schedules,
    functions_run_on_arm_with_their_sizes,
    functions_know_their_tables,
    the_url_streams,
    an_open_url_has_both_permissions,
    the_rollup_runs_every_minute_and_is_never_repeated,
    tables_have_their_keys,
    tables_outlive_the_stack,
    logs_are_ours_and_expire,
    no_secret_in_plain_text,
    parameters_say_their_unit,
    outputs_name_what_others_need,
]
