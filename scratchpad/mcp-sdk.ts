/**
 * A client of the MCP TypeScript SDK whose login is kept by Lockstep. Any number of these share one login.
 *
 *     lockstep login https://mcp.linear.app/mcp
 *     node mcp-sdk.js https://mcp.linear.app/mcp mcp:linear
 */
import * as V2 from "@modelcontextprotocol/client"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import { LockstepError, open } from "lockstep"

const lockstep = await open()

const info = { name: "example", version: "1.0.0" }

/** v1: `@modelcontextprotocol/sdk`. */
export const namesOfTools = async (serverUrl: string, tenant: string): Promise<ReadonlyArray<string>> => {
  const client = new Client(info)
  const transport = new StreamableHTTPClientTransport(new URL(serverUrl), await lockstep.mcp({ tenant, serverUrl }))
  // The cast is the SDK's: its own transport does not fit its interface where optional members are exact.
  await client.connect(transport as Parameters<typeof client.connect>[0])
  const { tools } = await client.listTools()
  await client.close()
  return tools.map(({ name }) => name)
}

/** v2: `@modelcontextprotocol/client`. The options are the same. */
export const namesOfToolsV2 = async (serverUrl: string, tenant: string): Promise<ReadonlyArray<string>> => {
  const client = new V2.Client(info)
  await client.connect(
    new V2.StreamableHTTPClientTransport(new URL(serverUrl), await lockstep.mcp({ tenant, serverUrl }))
  )
  const { tools } = await client.listTools()
  await client.close()
  return tools.map(({ name }) => name)
}

const [serverUrl, tenant] = process.argv.slice(2)
if (serverUrl !== undefined && tenant !== undefined) {
  try {
    process.stdout.write(`${(await namesOfTools(serverUrl, tenant)).join("\n")}\n`)
  } catch (error) {
    // The errors of Lockstep say what to do; `LoginRequired` names the command.
    process.stderr.write(`${String(error)}${error instanceof LockstepError ? `\n${error.advice}` : ""}\n`)
    process.exitCode = 1
  } finally {
    await lockstep.close()
  }
}
