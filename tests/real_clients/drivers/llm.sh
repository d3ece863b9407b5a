# Its own command line. An OpenAI-compatible endpoint is described in a file, Anthropic's is told by the environment.
export LLM_USER_PATH="$HOME/llm"
mkdir -p "$LLM_USER_PATH"
cat > "$LLM_USER_PATH/extra-openai-models.yaml" <<MODELS
- model_id: warmroute
  model_name: $MODEL
  api_base: $ROUTER/v1
  api_key_name: warmroute
  supports_tools: true
MODELS
cat > "$BESIDE/tools.py" <<'TOOLS'
def read_file(path: str) -> str:
    "Returns the text of a file."
    return open(path).read()
TOOLS
export ANTHROPIC_BASE_URL="$ROUTER"
case "$SURFACE" in
chat) model=warmroute ;;
messages) model="anthropic/$MODEL" ;;
esac
set -e
llm --model "$model" --key "$KEY" --functions "$BESIDE/tools.py" --no-stream "$PROMPT"
llm --model "$model" --key "$KEY" --functions "$BESIDE/tools.py" "$PROMPT"
