/**
 * A real authorization server, a home, and the command as a real process in it. Whatever a process shows is searched for
 * secrets.
 */
import { assert } from "@effect/vitest"
import type * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import * as ProcessHarness from "@lockstep/testkit/processes/ProcessHarness"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import type { Secret, SecretKind } from "@lockstep/testkit/servers/TokenLedger"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { inject } from "vitest"
import * as Person from "./Person.js"
import type { Ran } from "./Stage.js"

export interface Circumstances {
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
  /** What stdout is meant to carry. */
  readonly prints?: ReadonlyArray<SecretKind>
}

export type Json = Readonly<Record<string, unknown>>

/** Waits until a process has written something. */
export const shows = (child: { readonly stdout: Effect.Effect<string> }, what: RegExp): Effect.Effect<string> =>
  Effect.repeat(Effect.zipRight(Effect.promise(() => setTimeout(5)), child.stdout), {
    until: (text) => what.test(text)
  })

/** A stage whose server behaves as it is told. */
export const makeWith = (options: AuthorizationServer.Options) =>
  Effect.gen(function*() {
    const server = yield* AuthorizationServer.make(options)
    const seen: Array<Secret> = []
    const secrets = (): ReadonlyArray<Secret> => [...server.ledger.secrets, ...seen]
    const harness = yield* ProcessHarness.make({ secrets })
    const bin = inject("lockstep")
    const file = join(harness.home, "auth.json")

    const read = (): { readonly tenants: Record<string, Json>; readonly pending?: Record<string, Json> } =>
      existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : { tenants: {} }

    // A verifier is a secret from the moment that it is kept.
    const watch = Effect.sync(() => {
      for (const { code_verifier: verifier, device_code: code } of Object.values(read().pending ?? {})) {
        if (typeof verifier === "string") seen.push({ kind: "code_verifier", value: verifier })
        if (typeof code === "string") seen.push({ kind: "device_code", value: code })
      }
    })

    const start = (args: ReadonlyArray<string>, { env = {}, prints = [] }: Circumstances = {}) =>
      harness.spawn({ args: [bin, ...args], env, prints })

    const finish = (child: ChildProcess.Child): Effect.Effect<Ran> =>
      Effect.gen(function*() {
        const { code } = yield* child.exit
        yield* watch
        yield* harness.assertNoLeak
        return { code, stdout: yield* child.stdout, stderr: yield* child.stderr }
      })

    const run = (
      args: ReadonlyArray<string>,
      circumstances: Circumstances = {}
    ): Effect.Effect<Ran, never, Scope.Scope> =>
      Effect.gen(function*() {
        const child = yield* start(args, circumstances)
        if (circumstances.input !== undefined) yield* child.write(circumstances.input)
        yield* child.closeStdin
        return yield* finish(child)
      })

    /** The arguments of a login at the server. */
    const at = (tenant: string): ReadonlyArray<string> => [
      "login",
      "--issuer",
      server.issuer,
      "--client-id",
      server.clientId,
      "--scope",
      "openid email offline_access",
      "--tenant",
      tenant
    ]

    /** A person agrees; the code in the address that comes back is a secret of the test. */
    const authorize = (address: string, account: string): Effect.Effect<URL> =>
      Effect.tap(
        Person.authorize(address, account),
        (url) => Effect.sync(() => seen.push({ kind: "code", value: url.searchParams.get("code") ?? "" }))
      )

    return {
      server,
      harness,
      /** Every secret that there was so far. */
      secrets,
      file,
      start,
      finish,
      run,
      at,
      authorize,
      /** Runs a line of bash, in which `$LOCKSTEP` is the command. */
      shell: (line: string, input = ""): Effect.Effect<Ran, never, Scope.Scope> =>
        Effect.gen(function*() {
          const child = yield* harness.spawn({
            program: "bash",
            args: ["-c", line],
            env: { LOCKSTEP: `${process.execPath} ${bin}` }
          })
          yield* child.write(input)
          yield* child.closeStdin
          return yield* finish(child)
        }),
      /** Logs an account in, in two steps. */
      login: (tenant: string, account: string, more: ReadonlyArray<string> = []) =>
        Effect.gen(function*() {
          const begun = yield* run([...at(tenant), "--no-browser", ...more])
          assert.strictEqual(begun.code, 0, begun.stderr)
          const answer = yield* authorize(begun.stdout.trim(), account)
          return yield* run(["login", "--tenant", tenant, "--code", "-"], { input: answer.href })
        }),
      /** Starts the command on a terminal of its own. */
      onTerminal: (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
        harness.spawn({
          program: "script",
          args: ["-qefc", [process.execPath, bin, ...args].map((arg) => `'${arg}'`).join(" "), "/dev/null"],
          env: { TERM: "xterm", SHELL: "/bin/sh", NO_COLOR: "1", ...env },
          // A terminal shows what a person types.
          prints: ["code"]
        }),
      stored: (tenant: string) => Effect.sync(() => read().tenants[tenant]),
      pending: Effect.sync(() => read().pending ?? {}),
      /** Lets the stored access token of a tenant end. */
      expire: (tenant: string) =>
        Effect.sync(() => {
          const document = read()
          const record = { ...document.tenants[tenant], expires_at: Math.floor(Date.now() / 1000) - 1 }
          writeFileSync(file, JSON.stringify({ ...document, tenants: { ...document.tenants, [tenant]: record } }), {
            mode: 0o600
          })
        }),
      /** Changes what is kept of unfinished logins. */
      age: (seconds: number) =>
        Effect.sync(() => {
          const document = read()
          const pending = Object.fromEntries(
            Object.entries(document.pending ?? {}).map(([name, login]) => [
              name,
              { ...login, created_at: (login["created_at"] as number) - seconds }
            ])
          )
          writeFileSync(file, JSON.stringify({ ...document, pending }), { mode: 0o600 })
        })
    }
  })

export const make = makeWith({})

export type LoginStage = Effect.Effect.Success<typeof make>
