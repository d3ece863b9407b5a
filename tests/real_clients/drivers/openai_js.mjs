// openai-js: its helper that runs tools (chat), and the loop that the guide shows (responses).
import { readFileSync } from "node:fs";
import OpenAI from "openai";

const { ROUTER, KEY, SURFACE, MODEL, PROMPT } = process.env;
const client = new OpenAI({ baseURL: `${ROUTER}/v1`, apiKey: KEY, maxRetries: 0 });
const parameters = {
  type: "object",
  properties: { path: { type: "string" } },
  required: ["path"],
  additionalProperties: false,
};
const about = { name: "read_file", description: "Returns the text of a file.", parameters };

async function chat(stream) {
  const run = { function: ({ path }) => readFileSync(path, "utf8"), parse: JSON.parse };
  const runner = client.chat.completions.runTools({
    model: MODEL,
    stream,
    messages: [{ role: "user", content: PROMPT }],
    tools: [{ type: "function", function: { ...about, ...run } }],
  });
  return runner.finalContent();
}

async function responses(stream) {
  const input = [{ role: "user", content: PROMPT }];
  const tools = [{ type: "function", strict: true, ...about }];
  for (;;) {
    const request = { model: MODEL, input, tools };
    const answer = stream
      ? await client.responses.stream(request).finalResponse()
      : await client.responses.create(request);
    const calls = answer.output.filter((item) => item.type === "function_call");
    if (!calls.length) return answer.output_text;
    input.push(...answer.output);
    for (const { call_id, arguments: given } of calls) {
      input.push({ type: "function_call_output", call_id, output: readFileSync(JSON.parse(given).path, "utf8") });
    }
  }
}

const task = { chat, responses }[SURFACE];
console.log(await task(false));
console.log(await task(true));
