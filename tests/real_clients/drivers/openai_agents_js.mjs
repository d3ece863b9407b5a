// @openai/agents: an agent over chat completions or responses, run and run streamed.
import { readFileSync } from "node:fs";
import { Agent, OpenAIProvider, Runner, setTracingDisabled, tool } from "@openai/agents";
import { z } from "zod";

const { ROUTER, KEY, SURFACE, MODEL, PROMPT } = process.env;
setTracingDisabled(true);
const modelProvider = new OpenAIProvider({
  baseURL: `${ROUTER}/v1`,
  apiKey: KEY,
  useResponses: SURFACE === "responses",
});
const read_file = tool({
  name: "read_file",
  description: "Returns the text of a file.",
  parameters: z.object({ path: z.string() }),
  execute: async ({ path }) => readFileSync(path, "utf8"),
});
const agent = new Agent({ name: "reader", instructions: "Be exact.", model: MODEL, tools: [read_file] });
const runner = new Runner({ modelProvider });

console.log((await runner.run(agent, PROMPT)).finalOutput);
const streamed = await runner.run(agent, PROMPT, { stream: true });
for await (const _event of streamed);
await streamed.completed;
console.log(streamed.finalOutput);
