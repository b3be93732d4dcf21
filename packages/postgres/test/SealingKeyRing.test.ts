import { assert, describe, it } from "@effect/vitest"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import { PostgresSession } from "@lockstep/postgres/PostgresSession"
import * as SealingKeyRing from "@lockstep/postgres/SealingKeyRing"
import * as Credentials from "@lockstep/testkit/contract/credentials"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Fleets from "./support/fleets.js"

const CODEX = TenantId.make("codex")

/** A service that wraps by turning letters around, and notes what it was told. */
const service = (directory: string): string => {
  const path = Path.join(directory, "kms")
  const text = [
    "#!/bin/sh",
    `env >> ${directory}/seen; echo "$@" >> ${directory}/seen`,
    "tr 'A-Za-z' 'N-ZA-Mn-za-m'"
  ]
  Fs.writeFileSync(path, `${text.join("\n")}\n`, { mode: 0o700 })
  return path
}

Fleets.onEach((server, name) => {
  describe(`SealingKeyRing: ${name}`, () => {
    it.scopedLive("keys that a command wraps are shared by all hosts, and are in no argument, row or environment", () =>
      Effect.gen(function*() {
        const database = yield* Fleets.database(server)
        const directory = yield* Fleets.temporary
        const command = service(directory)
        yield* Effect.acquireRelease(
          Effect.sync(() => void (process.env["LOCKSTEP_POSTGRES_URL"] = database.url)),
          () => Effect.sync(() => delete process.env["LOCKSTEP_POSTGRES_URL"])
        )
        const host = Effect.gen(function*() {
          const { session } = yield* Fleets.open(database, yield* Fleets.temporary)
          const keys = yield* Effect.provideService(SealingKeyRing.ofCommand(command), PostgresSession, session)
          return { keys, process: yield* Fleets.open(database, yield* Fleets.temporary, { keys }) }
        })
        const one = yield* host
        const credential = Credentials.credential(1)
        yield* one.process.store.modify(CODEX, () => Change.Put({ credential, value: () => null }))
        const old = yield* one.keys.current
        const next = yield* one.keys.renew
        assert.notStrictEqual(next.id, old.id)
        yield* one.process.store.modify(TenantId.make("other"), () => Change.Put({ credential, value: () => null }))

        const other = yield* host
        for (const tenant of [CODEX, TenantId.make("other")]) {
          const found = yield* Effect.flatten(other.process.store.get(tenant))
          assert.isTrue(Equal.equals(found.credential, credential))
        }
        assert.strictEqual((yield* other.keys.current).id, next.id)
        const texts = [
          Fs.readFileSync(Path.join(directory, "seen"), "utf8"),
          JSON.stringify(yield* database.sql("select * from lockstep.sealing_key"))
        ]
        for (const text of texts) {
          assert.notInclude(text, server.password)
          for (const { key } of [old, next]) {
            assert.notInclude(text, Buffer.from(Redacted.value(key)).toString("base64"))
          }
        }
      }))

    it.scopedLive("a command that fails, or unwraps something else, seals nothing", () =>
      Effect.gen(function*() {
        const database = yield* Fleets.database(server)
        const directory = yield* Fleets.temporary
        const { session } = yield* Fleets.open(database, directory)
        const ringOf = (text: string) => {
          const path = Path.join(directory, `kms-${text.length}`)
          Fs.writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o700 })
          return Effect.provideService(SealingKeyRing.ofCommand(path), PostgresSession, session)
        }
        for (
          const [text, reason] of [["exit 3", "Unavailable"], ["echo x", "Locked"], ["tr A-Y B-Z", "Locked"]] as const
        ) {
          const keys = yield* ringOf(text)
          assert.strictEqual((yield* Effect.flip(keys.current)).reason, reason, text)
        }
        assert.lengthOf(yield* database.sql("select from lockstep.sealing_key"), 0)
      }))
  })
})
