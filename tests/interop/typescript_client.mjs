// A client of the TypeScript SDK: `typescript_client.mjs <folder of the SDK> '<JSON of command or URL>'`.
// It prints one JSON object: what it saw of the files server.
import { pathToFileURL } from "node:url";

const [folder, argument] = process.argv.slice(2);
const load = (file) => import(pathToFileURL(`${folder}/dist/esm/client/${file}`).href);
const { Client } = await load("index.js");
const { StdioClientTransport } = await load("stdio.js");
const { StreamableHTTPClientTransport } = await load("streamableHttp.js");

const target = JSON.parse(argument);
const transport = Array.isArray(target)
  ? new StdioClientTransport({ command: target[0], args: target.slice(1), stderr: "ignore" })
  : new StreamableHTTPClientTransport(new URL(target));
const client = new Client({ name: "typescript-client", version: "1" });
await client.connect(transport);
const tools = await client.listTools();
const text = await client.callTool({ name: "fs_read", arguments: { path: "a.txt" } });
const listed = await client.callTool({ name: "fs_list", arguments: { path: "." } });
const missing = await client.callTool({ name: "fs_read", arguments: { path: "missing.txt" } });
console.log(
  JSON.stringify({
    tools: tools.tools.map((tool) => tool.name),
    text: text.content[0].text,
    listed: listed.structuredContent,
    missing: [missing.isError, missing.content[0].text],
  }),
);
await client.close();
