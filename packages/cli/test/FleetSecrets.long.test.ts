/** No token, key or address with a password in any row, log, error, argument or environment of a child: after real runs. */
import { assert, describe, it } from "@effect/vitest"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as LeakCheck from "@lockstep/testkit/LeakCheck"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import type PgType from "pg"
import * as FleetHosts from "./support/FleetHosts.js"

const { installation } = FleetHosts
const Pg = createRequire(new URL("../../postgres/package.json", import.meta.url))("pg") as typeof PgType

/** Wraps by turning a text round, and writes down what it was given beside standard input. */
const keyCommand = (log: string): string =>
  `#!/usr/bin/env node
const fs = require("node:fs")
fs.appendFileSync(${JSON.stringify(log)}, JSON.stringify({ argv: process.argv, env: process.env }) + "\\n")
const text = fs.readFileSync(0, "utf8").trim()
process.stdout.write([...text].reverse().join("") + "\\n")
`

const TABLES = ["fleet", "tenant", "credential", "session", "pending", "client", "schedule", "issuer", "team"]

describe.skipIf(installation === undefined)("what others can see of a fleet", () => {
  it.scopedLive(
    "holds no token, no key and no password: rows, the server's log, output, errors, arguments, environments of children",
    () =>
      Effect.gen(function*() {
        const { directory, key, postgres, stage, write } = yield* FleetHosts.make
        const log = join(directory, "children.log")
        fs.writeFileSync(log, "")
        const command = join(directory, "key-command")
        fs.writeFileSync(command, keyCommand(log), { mode: 0o700 })
        const url = postgres.url("postgres")
        const secrets = [
          { kind: "client_secret" as const, value: postgres.password },
          { kind: "client_secret" as const, value: key }
        ]
        const evidence: Array<LeakCheck.Evidence> = []
        const see = (where: string, text: string) => evidence.push({ where, text, permitted: [] })

        // The address once from a file and once from the environment; the keys once from a file and once wrapped.
        const ways: ReadonlyArray<Readonly<Record<string, string>>> = [
          { LOCKSTEP_POSTGRES_URL_FILE: write("address", url), LOCKSTEP_SECRETS_KEY_FILE: write("keys", key) },
          { LOCKSTEP_POSTGRES_URL: url, LOCKSTEP_KEY_COMMAND: command, LOCKSTEP_POSTGRES_NAMESPACE: "wrapped" }
        ]
        for (const [at, way] of ways.entries()) {
          const env = { ...way, LOCKSTEP_HOME: join(directory, `home-${at}`), LOCKSTEP_STORE: "postgres" }
          const run = (args: ReadonlyArray<string>, input?: string, more: Readonly<Record<string, string>> = {}) =>
            Effect.gen(function*() {
              const child = yield* stage.start(["--log-level", "all", ...args], { env: { ...env, ...more } })
              if (input !== undefined) yield* child.write(input)
              yield* child.closeStdin
              const { code } = yield* child.exit
              for (const one of yield* child.evidence) {
                // What a person asked to be printed.
                const isAsked = one.where.startsWith("stdout") && (args[0] === "token" || args[0] === "exec")
                see(
                  `${one.where} (${args.join(" ")})`,
                  isAsked ? one.text.replaceAll(FakeToken.PATTERN, "…") : one.text
                )
              }
              return { code, stdout: yield* child.stdout }
            })
          const done = (args: ReadonlyArray<string>, input?: string) =>
            Effect.map(run(args, input), ({ code, stdout }) => {
              assert.strictEqual(code, 0, args.join(" "))
              return stdout
            })
          yield* done(["migrate"])
          const tokens = stage.server.issue()
          yield* done(
            ["import", "codex", "--from", "-"],
            JSON.stringify({
              access_token: tokens.accessToken,
              refresh_token: tokens.refreshToken,
              token_endpoint: stage.server.tokenEndpoint,
              client_id: "lockstep-tests",
              expires_in: 1
            })
          )
          yield* done(["refresh", "codex"])
          yield* done(["token", "codex"])
          const child = yield* done(["exec", "codex", "--", "env"])
          assert.notMatch(child, /^LOCKSTEP_POSTGRES_URL/m)
          for (const args of [["status", "--fleet", "--json"], ["status", "--json"]]) yield* done(args)
          // Of the two kinds of keys each opens its own rows: the second way is refused, and says which key it lacks.
          assert.strictEqual((yield* run(["secrets", "rotate-key", "--json"])).code, at === 0 ? 0 : 6)
          yield* run(["doctor", "--offline", "--json"])
          // Errors: a password that is wrong, a server that is not there, a name that is wrong, an address that is none.
          const wrong = `wrong-${postgres.password}`
          for (
            const address of [
              url.replace(postgres.password, wrong),
              url.replace(`:${postgres.port}/`, ":1/"),
              url.replace("/postgres", "/no-such-database"),
              `postgres://lockstep:${postgres.password}@[bad/postgres`
            ]
          ) {
            const { code } = yield* run(["token", "other"], undefined, {
              LOCKSTEP_POSTGRES_URL: address,
              LOCKSTEP_POSTGRES_URL_FILE: ""
            })
            assert.notStrictEqual(code, 0)
          }
          yield* run(["restored", "--before", "2999-01-01T00:00:00Z"])
          yield* run(["evict", "0000"])
        }
        assert.isAtLeast(stage.server.redemptions.length, 2)

        const client = new Pg.Client({ connectionString: url })
        client.on("error", () => {})
        yield* Effect.promise(() => client.connect())
        for (const table of TABLES) {
          const { rows } = yield* Effect.promise(() => client.query(`select t::text as row from lockstep.${table} t`))
          see(`rows of ${table}`, JSON.stringify(rows))
          if (table === "credential") assert.isAtLeast(rows.length, 1, table)
        }
        // Wrapped is what the command of this test made of a key, and no key.
        const { rows: wrapped } = yield* Effect.promise(() => client.query("select wrapped from lockstep.sealing_key"))
        assert.isAtLeast(wrapped.length, 1)
        for (const { wrapped: text } of wrapped) {
          secrets.push({ kind: "client_secret", value: [...String(text).trim()].reverse().join("") })
        }
        yield* Effect.promise(() => client.end())
        see("the log of the database", fs.readFileSync(join(postgres.directory, "server.log"), "utf8"))
        const children = fs.readFileSync(log, "utf8")
        assert.include(children, "unwrap")
        see("arguments and environments of the key command", children)

        assert.deepStrictEqual(LeakCheck.find(secrets, evidence), [])
        const tokens = evidence.flatMap(({ text, where }) =>
          (text.match(FakeToken.PATTERN) ?? []).map((token) => `${where}: ${token.slice(0, 14)}`)
        )
        assert.deepStrictEqual(tokens, [])
        // The search finds what is there.
        assert.lengthOf(LeakCheck.find(secrets, [{ where: "here", text: `x${url}y`, permitted: [] }]), 1)
      }),
    300_000
  )
})
