/** What stands between a process and its database: a real pooler, and real TLS. */
import { assert, describe, it } from "@effect/vitest"
import { Host } from "@lockstep/core/Host"
import * as TenantId from "@lockstep/core/TenantId"
import * as NodeHost from "@lockstep/node/NodeHost"
import * as PostgresLease from "@lockstep/postgres/PostgresLease"
import * as Credentials from "@lockstep/testkit/contract/credentials"
import * as Custodies from "@lockstep/testkit/contract/custodies"
import * as PgBouncer from "@lockstep/testkit/servers/PgBouncer"
import * as PostgresServer from "@lockstep/testkit/servers/PostgresServer"
import * as SelfSignedCertificate from "@lockstep/testkit/servers/SelfSignedCertificate"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Fleets from "./support/fleets.js"

const CODEX = TenantId.make("codex")

const [installation] = PostgresServer.installations()
const pgbouncer = PgBouncer.installation()

const refused = (url: string, ...secrets: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const { store } = yield* Fleets.open({ address: Fleets.addressOf(url) }, yield* Fleets.temporary)
    const error = yield* Effect.flip(store.get(CODEX))
    for (const secret of secrets) assert.notInclude(`${error.message} ${error.advice}`, secret)
    return error
  })

Fleets.onEach((server, name) => {
  describe.skipIf(Option.isNone(pgbouncer))(`PgBouncer: ${name}`, () => {
    const behind = (mode: PgBouncer.Options["mode"]) =>
      Effect.gen(function*() {
        const database = yield* Fleets.database(server)
        const pooler = yield* PgBouncer.start(Option.getOrThrow(pgbouncer), {
          server: server.port,
          user: "lockstep",
          password: server.password,
          mode
        })
        return { database, url: database.url.replace(`:${server.port}/`, `:${pooler.port}/`) }
      })

    it.scopedLive("that keeps a session for each client holds a presence: two processes exclude each other", () =>
      Effect.gen(function*() {
        const { database, url } = yield* behind("session")
        const directory = yield* Fleets.temporary
        const open = Fleets.open({ address: Fleets.addressOf(url) }, directory)
        const [one, direct] = [yield* open, yield* Fleets.open(database, directory)]
        yield* Custodies.login(one.custody, CODEX, Credentials.credential(1))
        yield* Effect.scoped(Effect.gen(function*() {
          const held = yield* Custodies.hold(one.custody, CODEX)
          const evidence = yield* held.read()
          const error = yield* Effect.flip(Effect.scoped(direct.custody.hold(CODEX, { timeout: Duration.millis(50) })))
          assert.strictEqual(error._tag, "LockTimeout")
          assert.isTrue(
            yield* held.begin(
              Option.some(Custodies.announced(evidence, yield* evidence.stored, "sending")),
              yield* evidence.stored
            )
          )
        }))
      }))

    for (const mode of ["transaction", "statement"] as const) {
      it.scopedLive(`that hands a session on after each ${mode} is refused by name`, () =>
        Effect.gen(function*() {
          const { url } = yield* behind(mode)
          const error = yield* refused(url, server.password)
          assert.strictEqual(error.reason, "Read")
          assert.include(error.message, "pooler")
          assert.include(error.advice, "session")
        }))
    }
  })

  describe(`a session that was handed on unnoticed: ${name}`, () => {
    it.scopedLive("takes nothing, and is found out at the next look", () =>
      Effect.gen(function*() {
        const database = yield* Fleets.database(server)
        const { custody, session } = yield* Fleets.open(database, yield* Fleets.temporary)
        yield* Custodies.login(custody, CODEX, Credentials.credential(1))
        const host = yield* Effect.provide(Host, NodeHost.layer)
        // What a process sees whose statements are answered through another session than the one that holds its presence.
        const presence = Effect.map(session.presence, (own) => ({ ...own, backend: own.backend + 1 }))
        const leases = PostgresLease.make({ ...session, presence }, host.self, "", PostgresLease.defaults)
        assert.isTrue(Option.isNone(yield* leases.take(CODEX)))
        assert.strictEqual((yield* Effect.flip(leases.look(CODEX))).code, "pooler")
      }))
  })
})

describe.skipIf(installation === undefined)("TLS", () => {
  it.scopedLive("the server proves its name to its authority, or nothing is said to it", () =>
    Effect.gen(function*() {
      const { cert, key } = SelfSignedCertificate.make()
      const postgres = yield* PostgresServer.start(installation!, {
        tls: { key, certificate: cert },
        settings: ["listen_addresses=127.0.0.1,127.0.0.2"]
      })
      const directory = yield* Fleets.temporary
      const file = (name: string, text: string): string => {
        const path = Path.join(directory, name)
        Fs.writeFileSync(path, text)
        return path
      }
      const right = file("authority", cert)
      const database = yield* Fleets.database(postgres)
      const at = (host: string, authority?: string) =>
        `${database.url.replace("127.0.0.1", host)}?sslmode=verify-full${
          authority === undefined ? "" : `&sslrootcert=${authority}`
        }`
      for (const host of ["localhost", "127.0.0.1"]) {
        const { session } = yield* Fleets.open({ address: Fleets.addressOf(at(host, right)) }, directory)
        const { rows } = yield* session.query("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
        assert.isTrue(rows[0]?.["ssl"], host)
      }
      const stranger = file("stranger", SelfSignedCertificate.make().cert)
      for (const authority of [stranger, undefined]) {
        const error = yield* refused(at("127.0.0.1", authority), postgres.password)
        assert.include(error.message, "certificate")
        assert.include(error.advice, "sslrootcert")
      }
      const elsewhere = yield* refused(at("127.0.0.2", right), postgres.password)
      assert.include(elsewhere.message, "another name")
    }))

  it.scopedLive("a server that does not speak it is refused", () =>
    Effect.gen(function*() {
      const postgres = yield* PostgresServer.start(installation!)
      const database = yield* Fleets.database(postgres)
      const error = yield* refused(`${database.url}?sslmode=verify-full`, postgres.password)
      assert.include(error.message, "does not speak TLS")
      assert.include(error.advice, "sslmode=disable")
    }))
})
