// @anthropic-ai/sdk: its helper that runs tools, whole and streamed. It would leave the conversation with the provider
// (`thread`) and send only what is new.
import { readFileSync } from "node:fs";
import Anthropic from "@anthropic-ai/sdk";

const { ROUTER, KEY, MODEL, PROMPT } = process.env;
const client = new Anthropic({ baseURL: ROUTER, apiKey: KEY, maxRetries: 0 });
const read_file = {
  type: "custom",
  name: "read_file",
  description: "Returns the text of a file.",
  input_schema: { type: "object", properties: { path: { type: "string" } }, required: ["path"] },
  parse: (input) => input,
  run: ({ path }) => readFileSync(path, "utf8"),
};

for (const stream of [false, true]) {
  const runner = client.beta.messages.toolRunner({
    model: MODEL,
    max_tokens: 1000,
    stream,
    messages: [{ role: "user", content: PROMPT }],
    tools: [read_file],
  });
  const message = await runner.runUntilDone();
  console.log(message.content.map((block) => block.text ?? "").join(""));
}
