// LangChain JS: a chat model with a bound tool, invoked and streamed.
import { readFileSync } from "node:fs";
import { ChatAnthropic } from "@langchain/anthropic";
import { HumanMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { z } from "zod";

const { ROUTER, KEY, SURFACE, MODEL, PROMPT } = process.env;

const read = tool(async ({ path }) => readFileSync(path, "utf8"), {
  name: "read_file",
  description: "Returns the text of a file.",
  schema: z.object({ path: z.string() }),
});

const chatModel = SURFACE === "messages"
  ? new ChatAnthropic({ model: MODEL, apiKey: KEY, anthropicApiUrl: ROUTER, maxRetries: 0 })
  : new ChatOpenAI({
      model: MODEL,
      apiKey: KEY,
      configuration: { baseURL: `${ROUTER}/v1` },
      useResponsesApi: SURFACE === "responses",
      maxRetries: 0,
    });
const model = chatModel.bindTools([read]);

async function streamed(messages) {
  let whole;
  for await (const chunk of await model.stream(messages)) whole = whole ? whole.concat(chunk) : chunk;
  return whole;
}

for (const ask of [(messages) => model.invoke(messages), streamed]) {
  const messages = [new HumanMessage(PROMPT)];
  let answer = await ask(messages);
  while (answer.tool_calls?.length) {
    messages.push(answer);
    for (const call of answer.tool_calls) messages.push(await read.invoke(call));
    answer = await ask(messages);
  }
  console.log(answer.text);
}
