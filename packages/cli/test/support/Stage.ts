/**
 * A scripted server, a home, and the command as a real process in it. Whatever a process shows is searched for tokens
 * and colours.
 */
import { assert } from "@effect/vitest"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import type * as ChildProcess from "@lockstep/testkit/processes/ChildProcess"
import * as ProcessHarness from "@lockstep/testkit/processes/ProcessHarness"
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as ScriptedServer from "@lockstep/testkit/servers/ScriptedServer"
import * as ServerBehaviour from "@lockstep/testkit/servers/ServerBehaviour"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { inject } from "vitest"

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Circumstances {
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
  /** Whether access tokens are what it is asked to print. */
  readonly prints?: boolean
  /** Whether colour is expected. */
  readonly coloured?: boolean
}

const CLIENT = "lockstep-tests"
const ESCAPE = "\u001b"

export interface Login {
  readonly tenant?: string
  /** Seconds that the access token has left. An hour ago where it is not said. */
  readonly left?: number
}

const inspect = (child: ChildProcess.Child, circumstances: Circumstances): Effect.Effect<void> =>
  Effect.map(child.evidence, (evidence) => {
    for (const { text, where } of evidence) {
      const secrets = (text.match(FakeToken.PATTERN) ?? []).filter((token) =>
        !(circumstances.prints === true && where.startsWith("stdout") && token.startsWith("lockstep-at-"))
      )
      assert.lengthOf(secrets, 0, `${where} shows ${secrets.map((token) => token.slice(0, 12))}`)
      if (circumstances.coloured !== true) assert.notInclude(text, ESCAPE, where)
    }
  })

export const make = (options: ScriptedServer.ScriptedServerOptions = {}) =>
  Effect.gen(function*() {
    const server = yield* ScriptedServer.make(options)
    const harness = yield* ProcessHarness.make({ secrets: () => [] })
    const bin = inject("lockstep")
    const file = join(harness.home, "auth.json")

    const start = (args: ReadonlyArray<string>, { env = {} }: Circumstances = {}) =>
      harness.spawn({ args: [bin, ...args], env })

    const finish = (child: ChildProcess.Child, circumstances: Circumstances = {}): Effect.Effect<Ran> =>
      Effect.gen(function*() {
        const { code } = yield* child.exit
        yield* inspect(child, circumstances)
        return { code, stdout: yield* child.stdout, stderr: yield* child.stderr }
      })

    return {
      server,
      harness,
      bin,
      file,
      start,
      finish,
      /** Runs the command to its end. */
      run: (args: ReadonlyArray<string>, circumstances: Circumstances = {}): Effect.Effect<Ran, never, Scope.Scope> =>
        Effect.gen(function*() {
          const child = yield* start(args, circumstances)
          if (circumstances.input !== undefined) yield* child.write(circumstances.input)
          yield* child.closeStdin
          return yield* finish(child, circumstances)
        }),
      /** Runs a line of bash, in which `$LOCKSTEP` is the command. */
      shell: (line: string, circumstances: Circumstances = {}): Effect.Effect<Ran, never, Scope.Scope> =>
        Effect.gen(function*() {
          const child = yield* harness.spawn({
            program: "bash",
            args: ["-c", line],
            env: { LOCKSTEP: `${process.execPath} ${bin}`, ...circumstances.env }
          })
          yield* child.closeStdin
          return yield* finish(child, circumstances)
        }),
      /** Starts the command on a terminal of its own. */
      onTerminal: (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
        harness.spawn({
          program: "script",
          args: ["-qefc", [process.execPath, bin, ...args].map((arg) => `'${arg}'`).join(" "), "/dev/null"],
          env: { TERM: "xterm", SHELL: "/bin/sh", ...env }
        }),
      /** Writes a home with logins of the server. */
      seed: (...logins: ReadonlyArray<Login>) =>
        Effect.gen(function*() {
          const now = Math.floor(Date.now() / 1000)
          const issued = logins.map(({ left, tenant = "codex" }) => ({ tenant, left, tokens: server.issue() }))
          yield* SeededHome.write(
            harness.home,
            issued.map(({ left, tenant, tokens }) => ({
              tenant,
              access_token: tokens.accessToken,
              refresh_token: tokens.refreshToken,
              token_endpoint: server.tokenEndpoint,
              revocation_endpoint: server.revocationEndpoint,
              client_id: CLIENT,
              ...(left === undefined ? {} : { expires_at: now + left })
            }))
          )
          return issued[0]!.tokens
        }),
      /** Changes members of the stored record of a tenant. Only while nothing else runs. */
      change: (tenant: string, members: Readonly<Record<string, unknown>>) =>
        Effect.sync(() => {
          const content = JSON.parse(readFileSync(file, "utf8")) as { tenants: Record<string, object> }
          content.tenants[tenant] = { ...content.tenants[tenant], ...members }
          writeFileSync(file, JSON.stringify(content), { mode: 0o600 })
        }),
      /** The stored record of a tenant. */
      stored: (tenant = "codex") =>
        Effect.sync(() =>
          (JSON.parse(readFileSync(file, "utf8")) as { tenants: Record<string, Record<string, unknown>> })
            .tenants[tenant]
        ),
      /** Waits until no process holds the tenant: a detached one is the child of none that a test knows. */
      settled: (tenant = "codex"): Effect.Effect<void, never, Scope.Scope> =>
        Effect.gen(function*() {
          const lock = join(harness.home, `auth.json.refresh.${tenant}.lock`)
          const child = yield* harness.spawn({ program: "flock", args: [lock, "true"] })
          yield* child.exit
        }),
      names: Effect.sync(() => readdirSync(harness.home).sort())
    }
  })

export type Stage = Effect.Effect.Success<ReturnType<typeof make>>

/** A login whose refresh another process has sent, and whose answer the server keeps back until it is let go. */
export const refreshing = Effect.gen(function*() {
  const stage = yield* make()
  yield* stage.seed({})
  const gate = yield* Deferred.make<void>()
  yield* stage.server.script(ServerBehaviour.heldBack(gate))
  // What holds the lock has all the time that a busy machine takes.
  const env = { LOCKSTEP_REDEEM_LIMIT: "10m", LOCKSTEP_LOCK_TIMEOUT: "20m" }
  const child = yield* stage.start(["token", "codex"], { env })
  yield* Queue.take(stage.server.arrivals)
  return { stage, child, letGo: Deferred.succeed(gate, undefined) }
})

/** Two lines on stderr, nothing on stdout. */
export const assertTold = (ran: Ran, code: number, what: RegExp): void => {
  assert.strictEqual(ran.code, code, ran.stderr)
  assert.strictEqual(ran.stdout, "")
  const lines = ran.stderr.split("\n")
  assert.lengthOf(lines, 3, ran.stderr)
  assert.match(lines[0]!, what)
  assert.isTrue(lines[0]!.startsWith("lockstep: "))
  assert.isTrue(lines[1]!.startsWith("→ "))
}

/** One line of JSON on stdout, nothing on stderr. */
export const assertToldAsJson = (ran: Ran, code: number, tag: string, reason?: string): Record<string, unknown> => {
  assert.strictEqual(ran.code, code, ran.stdout)
  assert.strictEqual(ran.stderr, "")
  assert.lengthOf(ran.stdout.split("\n"), 2)
  const { error } = JSON.parse(ran.stdout) as { readonly error: Record<string, unknown> }
  assert.strictEqual(error["_tag"], tag)
  if (reason !== undefined) assert.strictEqual(error["reason"], reason)
  assert.isString(error["message"])
  assert.isString(error["advice"])
  assert.strictEqual(error["exit_code"], code)
  return error
}
