# Codex speaks nothing but responses, and takes its provider from its config alone.
mkdir -p "$HOME/.codex"
cat > "$HOME/.codex/config.toml" <<CONFIG
model = "$MODEL"
model_provider = "warmroute"
[model_providers.warmroute]
name = "warmroute"
base_url = "$ROUTER/v1"
env_key = "KEY"
wire_api = "responses"
[analytics]
enabled = false
CONFIG
exec codex exec --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox --json "$PROMPT"
