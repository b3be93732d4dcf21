/**
 * A program that asks Lockstep for its token, set up as the page of credential helpers says: a home with a login that has
 * ended, the command in the search path, and a server that takes a token for good until it is revoked.
 */
import { assert } from "@effect/vitest"
import type * as Programs from "@lockstep/testkit/processes/Programs"
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as Effect from "effect/Effect"
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createServer, type RequestListener, type Server } from "node:http"
import { createServer as createTlsServer } from "node:https"
import type { AddressInfo } from "node:net"
import { delimiter } from "node:path"
import * as Command from "../Command.js"
import * as Stage from "./stage.js"

const PAGE = readFileSync(new URL("../../../../docs/credential-helpers.md", import.meta.url), "utf8")

/** The example of the page in a language, that has a text. */
export const example = (language: string, text: string): string => {
  const found = [...PAGE.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].flatMap(([, one, code]) =>
    one === language && code!.includes(text) ? [code!] : []
  )
  assert.lengthOf(found, 1, text)
  return found[0]!
}

/** The address that the page has in place of the proxy's. */
export const PROXY = "http://127.0.0.1:43117/SECRET"

/** Serves until the scope closes. With a certificate it speaks TLS. */
export const serve = (listener: RequestListener, tls?: { readonly key: string; readonly cert: string }) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<Server>((resume) => {
        const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => void server.close().closeAllConnections())
    ),
    (server) => (server.address() as AddressInfo).port
  )

export const make = (tenant: string) =>
  Effect.gen(function*() {
    const stage = yield* Stage.make
    const { harness, server } = stage
    const revoked = new Set<string>()
    const home = yield* SeededHome.write(harness.home, [yield* SeededHome.issue(server, tenant)])
    const entry = yield* Command.entry
    const bin = stage.path("bin")
    mkdirSync(bin)
    writeFileSync(`${bin}/lockstep`, `#!/bin/sh\nexec "${process.execPath}" "${entry}" "$@"\n`)
    chmodSync(`${bin}/lockstep`, 0o755)
    const path = { PATH: `${bin}${delimiter}${harness.environment["PATH"] ?? ""}` }
    const read = () =>
      JSON.parse(readFileSync(home, "utf8")) as {
        tenants: Record<string, { access_token: string; expires_at: number }>
      }
    const token = () => read().tenants[tenant]!.access_token

    const run = (program: Programs.Name, args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
      Effect.gen(function*() {
        const child = yield* stage.start(program, args, { ...path, ...env })
        yield* child.closeStdin
        return yield* stage.ended(child)
      }).pipe(Effect.scoped)

    return {
      stage,
      token,
      path,
      /** The program's file, written. */
      write: (name: string, text: string) =>
        Effect.sync(() => {
          const file = stage.path(...name.split("/"))
          mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true })
          writeFileSync(file, text)
        }),
      /** Whether a token is good at the server. */
      isGood: (one: string) =>
        revoked.has(one) ? Effect.succeed(false) : Effect.map(server.introspect(one), ({ active }) => active),
      /** The server takes the stored token for none from now on, although its end is far. */
      revoke: Effect.sync(() => void revoked.add(token())),
      /** The clock says that the stored token has ended. No other process may be at work. */
      expire: Effect.sync(() => {
        const content = read()
        content.tenants[tenant]!.expires_at = 1
        writeFileSync(home, JSON.stringify(content))
      }),
      /** Sets the program up by `lockstep setup`, in the environment that the program will have. */
      setup: (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
        Effect.gen(function*() {
          const child = yield* harness.spawn({ args: [entry, "setup", ...args, "--write"], env: { ...path, ...env } })
          yield* child.closeStdin
          const { code, stderr, stdout } = yield* stage.ended(child)
          assert.strictEqual(code, 0, stderr)
          return stdout
        }).pipe(Effect.scoped),
      run,
      /** Runs a line of bash that has the command and the programs of the system. */
      shell: (line: string, env: Readonly<Record<string, string>> = {}) =>
        Effect.gen(function*() {
          const child = yield* harness.spawn({
            program: "bash",
            args: ["-c", `set -euo pipefail\n${line}`],
            env: { ...path, ...env },
            prints: ["access_token"]
          })
          yield* child.closeStdin
          return yield* stage.ended(child)
        }).pipe(Effect.scoped),
      /** Starts the proxy and answers with the address that programs append to. */
      proxy: (to: string, env: Readonly<Record<string, string>> = {}) =>
        Effect.gen(function*() {
          const child = yield* harness.spawn({ args: [entry, "proxy", tenant, "--to", to, "--json"], env })
          const { url } = yield* child.message((message) => typeof message["url"] === "string")
          return String(url).replace(/\/$/, "")
        }),
      assertCounts: (redemptions: number) =>
        Effect.map(stage.counts, (counts) => assert.deepStrictEqual(counts, { redemptions, reuses: 0, refusals: 0 }))
    }
  })
