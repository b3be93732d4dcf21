/**
 * A real program of another vendor, a real MCP server that only it and Lockstep use, and their one login.
 */
import type * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import * as ProcessHarness from "@lockstep/testkit/processes/ProcessHarness"
import * as Programs from "@lockstep/testkit/processes/Programs"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as McpResource from "@lockstep/testkit/servers/McpResource"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { join } from "node:path"
import * as Command from "../Command.js"

/** Whether a program is there. Tests that need it are skipped without it, and say so. */
export const isInstalled = (name: Programs.Name): boolean => {
  const found = Option.isSome(Programs.find(name))
  if (!found) process.stderr.write(`tests with the real ${name} are skipped: it is not installed\n`)
  return found
}

export const make = Effect.gen(function*() {
  const server = yield* AuthorizationServer.make()
  const resource = yield* McpResource.make({ authorizationServer: server })
  const harness = yield* ProcessHarness.make({ secrets: () => server.ledger.secrets })
  const entry = yield* Command.entry
  const login = yield* server.issue("ann", {
    resource: resource.url,
    scope: "openid offline_access mcp:use"
  })

  const ended = (child: ChildProcess.Child) =>
    Effect.gen(function*() {
      const { code, signal } = yield* child.exit
      return { code, signal, stdout: yield* child.stdout, stderr: yield* child.stderr }
    })

  return {
    server,
    resource,
    harness,
    login,
    user: harness.environment["HOME"]!,
    path: (...names: ReadonlyArray<string>) => join(harness.environment["HOME"]!, ...names),
    /** Starts the program; it is kept on this machine. */
    start: (name: Programs.Name, args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) => {
      const [program, ...before] = Option.getOrThrow(Programs.find(name)).command
      return harness.spawn({ program, args: [...before, ...args], env: { ...Programs.ENVIRONMENT, ...env } })
    },
    /** The token that `lockstep token` prints, and how it ended. */
    lockstep: (...args: ReadonlyArray<string>) =>
      Effect.flatMap(harness.spawn({ args: [entry, ...args], prints: ["access_token"] }), ended),
    ended,
    counts: Effect.sync(() => ({
      redemptions: server.ledger.redemptions.length,
      reuses: server.ledger.reuses.length,
      refusals: server.ledger.refusals.length
    }))
  }
})

export type Stage = Effect.Effect.Success<typeof make>

/** Greets an MCP server on a program's stdio, and waits until it answers. */
export const initialize = (child: ChildProcess.Child) =>
  Effect.zipRight(
    child.send({
      jsonrpc: "2.0",
      id: 1,
      method: "initialize",
      params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "test", version: "1" } }
    }),
    child.message((message) => message["id"] === 1 && "result" in message)
  )
