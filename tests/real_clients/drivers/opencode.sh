# One of the two provider packages that it brings with it, told where to go by a config in its working directory.
case "$SURFACE" in
chat) package=@ai-sdk/openai-compatible ;;
messages) package=@ai-sdk/anthropic ;;
responses) package=@ai-sdk/openai ;;
esac
cat > opencode.json <<CONFIG
{
  "provider": {"warmroute": {
    "npm": "$package",
    "name": "warmroute",
    "options": {"baseURL": "$ROUTER/v1", "apiKey": "$KEY"},
    "models": {"$MODEL": {"name": "$MODEL", "tool_call": true, "limit": {"context": 200000, "output": 32000}}}
  }},
  "permission": {"bash": "allow"}
}
CONFIG
exec opencode run --format json --model "warmroute/$MODEL" "$PROMPT"
