# Aider has no tools: it edits files, runs the tests of the repository, and hands what they printed to the model.
case "$SURFACE" in
chat) export OPENAI_API_BASE="$ROUTER/v1" OPENAI_API_KEY="$KEY" model="openai/$MODEL" ;;
messages) export ANTHROPIC_API_BASE="$ROUTER" ANTHROPIC_API_KEY="$KEY" model="anthropic/$MODEL" ;;
esac
set -e
git init --quiet .
git config user.name reader
git config user.email reader@example.invalid
git add secret.txt
git commit --quiet --message "A secret"
for streaming in --no-stream --stream; do
    echo unread > answer.txt
    git add answer.txt
    git commit --quiet --message "Nothing is read" --allow-empty
    aider $streaming --model "$model" --weak-model "$model" --edit-format whole \
        --auto-test --test-cmd "cat secret.txt; grep --quiet done answer.txt" \
        --no-pretty --yes-always --no-gitignore --no-check-update --no-show-release-notes --no-show-model-warnings \
        --no-analytics --no-suggest-shell-commands --map-tokens 0 --message "Make the test pass." answer.txt
done
