// Vercel's AI SDK: its own loop of steps, generated and streamed, over each provider package that fits the dialect.
import { readFileSync } from "node:fs";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const { ROUTER, KEY, SURFACE, MODEL, PROMPT } = process.env;
const at = { baseURL: `${ROUTER}/v1`, apiKey: KEY };

const models = {
  chat: () => [createOpenAI(at).chat(MODEL), createOpenAICompatible({ ...at, name: "warmroute" })(MODEL)],
  responses: () => [createOpenAI(at).responses(MODEL)],
  messages: () => [createAnthropic(at)(MODEL)],
};

const read_file = tool({
  description: "Returns the text of a file.",
  inputSchema: z.object({ path: z.string() }),
  execute: async ({ path }) => readFileSync(path, "utf8"),
});

for (const model of models[SURFACE]()) {
  const task = { model, prompt: PROMPT, tools: { read_file }, stopWhen: stepCountIs(5), maxRetries: 0 };
  console.log((await generateText(task)).text);
  const streamed = streamText({ ...task, onError: ({ error }) => { throw error; } });
  let text = "";
  for await (const piece of streamed.textStream) text += piece;
  console.log(text);
}
