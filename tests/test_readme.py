"""What the README and the pages behind it show can be used as it stands."""

import re

import yaml

from local.stack import ROOT
from route.config.file import parse_config

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [block for page in PAGES for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)]
EXAMPLE = yaml.safe_load((ROOT / "warmroute.example.yaml").read_text())


def test_the_profiles_are_a_whole_file_with_the_example_s_providers() -> None:
    """Pasted below them it loads, and every name in it leads somewhere."""
    providers = yaml.safe_dump({"providers": EXAMPLE["providers"]})
    config = parse_config(providers + BLOCKS[0])
    assert {"default", "long-context", "agents"} == set(config.profiles)


def test_the_providers_are_those_of_a_file() -> None:
    """With a profile for them."""
    profiles = {"default": {"routes": ["local/qwen3", "bedrock/claude-sonnet-4-6"]}}
    rest = yaml.safe_dump({"profiles": profiles, "default_profile": "default"})
    assert len(parse_config(BLOCKS[1] + rest).providers) == 2
    assert len(BLOCKS) == 2, "a block that is tried nowhere"
