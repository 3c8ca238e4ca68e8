// A client of the TypeScript SDK: `typescript_client.mjs <folder of the SDK> '<JSON>'`.
// The JSON holds `target` (a command, or a URL) and `calls`. It prints one JSON object: what it saw of the server.
import { pathToFileURL } from "node:url";

const [folder, argument] = process.argv.slice(2);
const load = (file) => import(pathToFileURL(`${folder}/dist/esm/client/${file}`).href);
const { Client } = await load("index.js");
const { StdioClientTransport } = await load("stdio.js");
const { StreamableHTTPClientTransport } = await load("streamableHttp.js");

const { target, calls } = JSON.parse(argument);
const transport = Array.isArray(target)
  ? new StdioClientTransport({ command: target[0], args: target.slice(1), stderr: "ignore" })
  : new StreamableHTTPClientTransport(new URL(target));
const client = new Client({ name: "typescript-client", version: "1" });
await client.connect(transport);
const { tools } = await client.listTools();
const results = [];
for (const [name, given] of calls) {
  const result = await client.callTool({ name, arguments: given });
  results.push([result.content[0].text, result.structuredContent ?? null, result.isError ?? false]);
}
console.log(JSON.stringify({ tools: tools.map((tool) => tool.name), results }));
await client.close();
