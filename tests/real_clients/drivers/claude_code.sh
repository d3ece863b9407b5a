# The key goes as x-api-key; the session is Claude Code's own and is in its output.
export ANTHROPIC_BASE_URL="$ROUTER" ANTHROPIC_API_KEY="$KEY"
exec claude -p "$PROMPT" --model "$MODEL" --allowedTools Bash --output-format json
