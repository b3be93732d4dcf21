import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { RegisteredClient } from "@lockstep/core/ClientRegistrations"
import type { Credential } from "@lockstep/core/Credential"
import type { CredentialLock } from "@lockstep/core/CredentialLock"
import { Custody } from "@lockstep/core/Custody"
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as Fingerprint from "@lockstep/core/Fingerprint"
import * as Host from "@lockstep/core/Host"
import * as LockedCustody from "@lockstep/core/LockedCustody"
import type { PendingLogin } from "@lockstep/core/PendingLogins"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import { Intent, JournalRecord } from "@lockstep/core/RefreshJournal"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import type { StoreKind } from "@lockstep/node/HomePin"
import * as Keyring from "@lockstep/node/keyring/Keyring"
import { LockTarget } from "@lockstep/node/locks/LockTarget"
import * as MoveNote from "@lockstep/node/stores/MoveNote"
import * as StoreMove from "@lockstep/node/stores/StoreMove"
import * as ScriptedTokenEndpoint from "@lockstep/testing/ScriptedTokenEndpoint"
import { credential } from "@lockstep/testkit/contract/credentials"
import { answer, fullRecord } from "@lockstep/testkit/contract/journals"
import { attempt } from "@lockstep/testkit/contract/pendingLogins"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import * as StepTracer from "@lockstep/testkit/processes/StepTracer"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Sealed from "../support/sealedHomes.js"
import * as Stores from "../support/stores.js"

const KINDS: ReadonlyArray<StoreKind> = ["file", "keyring", "secrets"]
const PAIRS = KINDS.flatMap((from) => KINDS.flatMap((to) => from === to ? [] : [[from, to] as const]))

const CODEX = TenantId.make("codex")
const LONG = TenantId.make("mcp:" + "Ä".repeat(100))

interface Content {
  readonly records: ReadonlyMap<TenantId.TenantId, Credential>
  readonly pending: PendingLogin
}

const USER = { tenant: CODEX, user: "local" }

const put = (opened: Stores.Opened, tenant: TenantId.TenantId, record: Credential) =>
  opened.store.modify(tenant, () => Change.Put({ credential: record, value: () => undefined }))

const ISSUER = "https://id.example"
const CLIENT = RegisteredClient.make({
  clientId: "dyn-1",
  clientSecret: Option.some(Redacted.make("lockstep-rt-of-a-client"))
})

/** Two logins, one unfinished one, a client that registered itself, and what a journal knows. */
const fill = (opened: Stores.Opened): Effect.Effect<Content, unknown> =>
  Effect.gen(function*() {
    const records = new Map([[CODEX, credential(7, { scope: Option.some("a b") })], [LONG, credential(3)]])
    // Two writes: what hands the second on lies there, too.
    yield* put(opened, CODEX, credential(6))
    for (const [tenant, record] of records) yield* put(opened, tenant, record)
    const pending = attempt(Math.floor(Date.now() / 1_000))
    yield* opened.pending.put(USER, pending)
    yield* opened.registrations.put(ISSUER, CLIENT)
    yield* opened.journal.write(CODEX, fullRecord(CODEX))
    return { records, pending }
  })

/** Whether a view holds all of it, and nothing else. */
const holds = (opened: Stores.Opened, { pending, records }: Content): Effect.Effect<boolean, CredentialStoreError> =>
  Effect.gen(function*() {
    const tenants = yield* opened.store.list
    if (tenants.length !== records.size) return false
    for (const [tenant, record] of records) {
      const stored = yield* opened.store.get(tenant)
      if (!Option.exists(stored, (one) => Equal.equals(one.credential, record))) return false
    }
    const registered = yield* opened.registrations.get(ISSUER)
    if (!Option.exists(registered, (one) => Equal.equals(one, CLIENT))) return false
    const kept = yield* opened.pending.get(USER)
    return Option.exists(kept, (one) => Equal.equals(one, pending))
  })

const withPlace = Effect.map(Homes.temporary, Stores.place)

const isSuperseded = (error: unknown): boolean => error instanceof CredentialStoreError && error.reason === "Superseded"

describe("a move", () => {
  for (const [from, to] of PAIRS) {
    it.scopedLive(`from ${from} to ${to} takes everything along and leaves no secret behind`, () =>
      Effect.gen(function*() {
        const place = yield* withPlace
        const before = yield* Stores.open(place, { kind: from })
        const content = yield* fill(before)
        const journal = Fs.readFileSync(before.journal.location(CODEX), "utf8")
        assert.strictEqual(Fs.existsSync(Path.join(place.home, "auth.json.keyring.next", "codex")), from === "keyring")
        const moved = yield* before.move(to)
        deepStrictEqual([moved.from, moved.to, moved.pending], [Option.some(from), to, 1])
        deepStrictEqual([...moved.tenants].sort(), [...content.records.keys()].sort())

        assert.strictEqual(Stores.pinOf(place.home), to)
        const after = yield* Stores.open(place)
        assert.strictEqual(after.kind, to)
        assert.isTrue(yield* holds(after, content))
        assert.strictEqual(Fs.readFileSync(after.journal.location(CODEX), "utf8"), journal)
        deepStrictEqual(Sealed.leaks(place.home), to === "file" ? ["auth.json"] : [])
        const entries = [...place.entries.keys()].filter((name) => name.includes("|"))
        assert.lengthOf(entries, to === "keyring" ? 2 : 0)
        assert.isFalse(Fs.existsSync(Path.join(place.home, "auth.json.keyring.next")))
        deepStrictEqual(yield* MoveNote.unfinished(after.home), Option.none())

        // A process that still has the old store open.
        const read = yield* Effect.flip(before.store.get(CODEX))
        assert.isTrue(isSuperseded(read), String(read))
        assert.include(read.message, `moved to ${to}: open it again`)
        assert.isTrue(isSuperseded(yield* Effect.flip(put(before, CODEX, credential(8)))))
        assert.isTrue(isSuperseded(yield* Effect.flip(before.pending.put(USER, content.pending))))
        assert.isTrue(yield* holds(yield* Stores.open(place), content))
      }))

    it.scopedLive(`from ${from} to ${to} and back is as if nothing had been`, () =>
      Effect.gen(function*() {
        const place = yield* withPlace
        const first = yield* Stores.open(place, { kind: from })
        const content = yield* fill(first)
        yield* first.move(to)
        yield* Effect.flatMap(Stores.open(place), (opened) => opened.move(from))
        const again = yield* Stores.open(place)
        assert.strictEqual(again.kind, from)
        assert.isTrue(yield* holds(again, content))
        yield* put(again, CODEX, credential(8))
        deepStrictEqual(Sealed.leaks(place.home), from === "file" ? ["auth.json"] : [])
      }))
  }

  it.scopedLive("of a home that has the store already does nothing", () =>
    Effect.gen(function*() {
      const place = yield* withPlace
      const opened = yield* Stores.open(place)
      const content = yield* fill(opened)
      const moved = yield* opened.move("file")
      deepStrictEqual([moved.from, moved.finished], [Option.none(), false])
      assert.isTrue(yield* holds(opened, content))
    }))

  it.scopedLive("leaves in the file what it does not know, and finds it again on the way back", () =>
    Effect.gen(function*() {
      const place = yield* withPlace
      Fs.mkdirSync(place.home, { mode: 0o700 })
      const file = Path.join(place.home, "auth.json")
      const [at, rt] = [FakeToken.make("at"), FakeToken.make("rt")]
      const foreign = [
        "\"never\": 18446744073709551615",
        "\"somebody\": {\"api_key\":  \"theirs\"}",
        "\"note\": [1,  2]",
        "\"team\":\t\"blue\""
      ]
      Fs.writeFileSync(
        file,
        `{ "version": 1, ${foreign[0]}, "tenants": { ${foreign[1]}, "codex": { ${foreign[2]}, ` +
          `"account": {"id": "1", ${
            foreign[3]
          }}, "access_token": "${at}", "refresh_token": "${rt}", "generation": 4 } } }\n`
      )
      const first = yield* Stores.open(place)
      const stored = yield* Effect.flatten(first.store.get(CODEX))
      yield* first.move("keyring")
      const left = Fs.readFileSync(file, "utf8")
      for (const part of foreign) assert.include(left, part)
      for (const part of [at, rt, "\"generation\"", "\"id\""]) assert.notInclude(left, part)
      assert.strictEqual(JSON.parse(left).moved_to, "keyring")

      yield* Effect.flatMap(Stores.open(place), (opened) => opened.move("file"))
      const back = Fs.readFileSync(file, "utf8")
      for (const part of foreign) assert.include(back, part)
      assert.notInclude(back, "moved_to")
      const entry = JSON.parse(back).tenants.codex
      deepStrictEqual([entry.note, entry.account], [[1, 2], { id: "1", team: "blue" }])
      const again = yield* Effect.flatten((yield* Stores.open(place)).store.get(CODEX))
      assert.isTrue(Equal.equals(again.credential, stored.credential))
    }))

  it.scopedLive("stops where the other store holds another login, and changes nothing", () =>
    Effect.gen(function*() {
      const place = yield* withPlace
      const opened = yield* Stores.open(place, { kind: "keyring" })
      const content = yield* fill(opened)
      const file = Path.join(place.home, "auth.json")
      const theirs = JSON.stringify({ version: 1, tenants: { codex: { access_token: FakeToken.make("at") } } })
      Fs.writeFileSync(file, theirs)
      const error = yield* Effect.flip(opened.move("file"))
      assert.isTrue(isSuperseded(error), String(error))
      assert.include((error as CredentialStoreError).advice, "codex")
      assert.strictEqual(Fs.readFileSync(file, "utf8"), theirs)
      assert.strictEqual(Stores.pinOf(place.home), "keyring")
      assert.isTrue(yield* holds(opened, content))
      deepStrictEqual(yield* MoveNote.unfinished(opened.home), Option.none())
    }))

  it.scopedLive("into a keyring that is locked changes nothing", () =>
    Effect.gen(function*() {
      const place = yield* withPlace
      const opened = yield* Stores.open(place)
      const content = yield* fill(opened)
      const locked = Stores.locked(place)
      const other = yield* Stores.open(locked)
      const error = yield* Effect.flip(other.move("keyring"))
      deepStrictEqual([error._tag, (error as CredentialStoreError).reason], ["CredentialStoreError", "Locked"])
      deepStrictEqual(yield* MoveNote.unfinished(opened.home), Option.none())
      assert.isTrue(yield* holds(opened, content))
    }))

  it.scopedLive("stops before the pin where the new store does not give back what it took", () =>
    Effect.gen(function*() {
      const place = yield* withPlace
      const content = yield* fill(yield* Stores.open(place))
      let forgetful = false
      const keyring = Keyring.makeMemory({
        entries: place.entries,
        before: ({ operation }) =>
          forgetful && operation === "get"
            ? new Keyring.KeyringError({ reason: "Unavailable", detail: "it forgot" })
            : Effect.void
      })
      const opened = yield* Stores.open({ home: place.home, keyring })
      const error = yield* opened.move("keyring").pipe(
        Effect.provide(StepTracer.layer(({ at, name }) => {
          if (name === "lockstep.move.copy" && at === "end") forgetful = true
        })),
        Effect.flip
      )
      assert.strictEqual(error._tag, "CredentialStoreError")
      assert.strictEqual(Stores.pinOf(place.home), "file")
      assert.isTrue(yield* holds(yield* Stores.open(place), content))
      const again = yield* Stores.open(place)
      deepStrictEqual((yield* again.move("keyring")).finished, true)
      assert.isTrue(yield* holds(yield* Stores.open(place), content))
    }))

  type Text = Record<"tenants" | "pending" | "clients", Record<string, Record<string, unknown>>>
  const spoils: ReadonlyArray<readonly [string, (text: Text) => void]> = [
    ["lacks a login", ({ tenants }) => delete tenants[LONG]],
    ["has another one of its tokens", ({ tenants }) => tenants["codex"]!["refresh_token"] = FakeToken.make("rt")],
    ["has one login more", ({ tenants }) => tenants["more"] = { access_token: FakeToken.make("at") }],
    ["lacks an unfinished login", (text) => text.pending = {}],
    ["lacks a registration", (text) => text.clients = {}]
  ]
  it.scopedLive.each(spoils)("stops before the pin where what is read back %s", ([, spoil]) =>
    Effect.gen(function*() {
      const place = yield* withPlace
      const opened = yield* Stores.open(place, { kind: "keyring" })
      const content = yield* fill(opened)
      const file = Path.join(place.home, "auth.json")
      const error = yield* opened.move("file").pipe(
        Effect.provide(StepTracer.layer(({ at, name }) => {
          if (name !== "lockstep.move.copy" || at !== "end") return
          const text = JSON.parse(Fs.readFileSync(file, "utf8")) as Text
          spoil(text)
          Fs.writeFileSync(file, JSON.stringify(text))
        })),
        Effect.flip
      )
      assert.include(error.message, "it gave back something else than was written")
      assert.strictEqual(Stores.pinOf(place.home), "keyring")
      assert.isTrue(yield* holds(yield* Stores.open(place), content))
    }))

  it.scopedLive("of a damaged file stops, and the file stays", () =>
    Effect.gen(function*() {
      const place = yield* withPlace
      const opened = yield* Stores.open(place)
      yield* fill(opened)
      const file = Path.join(place.home, "auth.json")
      const text = Fs.readFileSync(file, "utf8").replace("\"generation\": 3", "\"generation\": -3")
      Fs.writeFileSync(file, text)
      const error = yield* Effect.flip(opened.move("secrets"))
      assert.strictEqual((error as CredentialStoreError).reason, "Decode")
      assert.strictEqual(Fs.readFileSync(file, "utf8"), text)
      assert.strictEqual(Stores.pinOf(place.home), "file")
    }))
})

describe("what was answered and not stored", () => {
  const keep = (opened: Stores.Opened, record: Credential) =>
    Effect.gen(function*() {
      const host = Context.get(opened.context, Host.Host)
      const kept = {
        ...answer("attempt-9"),
        fingerprint: Fingerprint.of(host, Option.getOrThrow(record.refreshToken))
      }
      yield* opened.journal.reserveAnswer(CODEX, 4_096)
      yield* opened.journal.keepAnswer(CODEX, kept as ReturnType<typeof answer>)
      return kept
    })

  for (const [from, to] of [["file", "keyring"], ["secrets", "file"], ["keyring", "secrets"]] as const) {
    it.scopedLive(`comes home before a move from ${from} to ${to}, and no answer stays behind`, () =>
      Effect.gen(function*() {
        const place = yield* withPlace
        const opened = yield* Stores.open(place, { kind: from })
        const record = credential(7)
        yield* put(opened, CODEX, record)
        const kept = yield* keep(opened, record)
        // Of no tenant: its record is gone.
        yield* opened.journal.reserveAnswer(LONG, 10)
        yield* opened.move(to)
        assert.lengthOf(Fs.readdirSync(place.home).filter((name) => name.endsWith(".answer")), 0)
        const stored = yield* Effect.flatten((yield* Stores.open(place)).store.get(CODEX))
        assert.strictEqual(
          Redacted.value(Option.getOrThrow(stored.credential.accessToken)),
          Redacted.value(kept.grant.accessToken)
        )
      }))
  }

  it.scopedLive("stops the move where it cannot be stored", () =>
    Effect.gen(function*() {
      const place = yield* withPlace
      const opened = yield* Stores.open(place)
      const record = credential(7)
      yield* put(opened, CODEX, record)
      yield* keep(opened, record)
      const coordinator = {
        ...opened.coordinator,
        refresh: () => Effect.fail(new CredentialStoreError({ reason: "Write", location: "nowhere" }))
      }
      const error = yield* StoreMove.move("keyring").pipe(
        Effect.provideService(RefreshCoordinator.RefreshCoordinator, coordinator),
        Effect.provide(opened.context),
        Effect.flip
      )
      assert.include(error.message, "codex has new tokens that are not stored yet")
      assert.isTrue(Option.isSome(yield* opened.journal.keptAnswer(CODEX)))
      assert.strictEqual(Stores.pinOf(place.home), "file")
    }))

  it.scopedLive("stops the move where it is in no file: another process may have it, and would store it in the old store", () =>
    Effect.gen(function*() {
      const place = yield* withPlace
      const opened = yield* Stores.open(place)
      const record = credential(7)
      yield* put(opened, CODEX, record)
      const host = Context.get(opened.context, Host.Host)
      const journal = fullRecord(CODEX)
      yield* opened.journal.write(
        CODEX,
        JournalRecord.make({
          ...journal,
          intent: Option.map(journal.intent, (intent) =>
            Intent.make({
              ...intent,
              state: "consumed",
              fingerprint: Fingerprint.of(host, Option.getOrThrow(record.refreshToken))
            })),
          mark: Option.none()
        })
      )
      const error = yield* Effect.flip(opened.move("keyring"))
      assert.instanceOf(error, CredentialStoreError)
      assert.include(error.message, "codex was refreshed, and its new tokens are in no file")
      assert.include((error as CredentialStoreError).advice, "lockstep login codex")
      assert.strictEqual(Stores.pinOf(place.home), "file")
      assert.isTrue(Option.isSome(yield* opened.store.get(CODEX)))
    }))
})

describe("what goes on meanwhile", () => {
  it.scopedLive("a refresh that is under way is waited for, and its new tokens come along", () =>
    Effect.gen(function*() {
      const place = yield* withPlace
      const server = yield* ScriptedTokenEndpoint.make
      const opened = yield* Stores.open(place, { endpoint: server.layer })
      yield* put(opened, CODEX, server.issue({ expiresAt: Option.some(1) }))
      const gate = yield* Deferred.make<void>()
      server.next({ _tag: "GrantLate", gate })
      const refresh = yield* Effect.fork(opened.coordinator.accessToken(CODEX))
      yield* Queue.take(server.arrivals)

      const mover = yield* Stores.open(place)
      const busy = yield* Deferred.make<void>()
      const lock: CredentialLock["Type"] = {
        ...mover.lock,
        tryAcquire: (target) =>
          Effect.tap(
            mover.lock.tryAcquire(target),
            (lease) => Option.isNone(lease) ? Deferred.succeed(busy, undefined) : Effect.void
          )
      }
      const move = yield* StoreMove.move("keyring").pipe(
        Effect.provideService(Custody, LockedCustody.fromParts({ ...mover, lock })),
        Effect.provide(mover.context),
        Effect.fork
      )
      // It has found the lock of the refresh taken, or it has not waited for it at all.
      yield* Effect.raceFirst(Deferred.await(busy), Fiber.await(move))
      yield* Deferred.succeed(gate, undefined)
      const token = yield* Fiber.join(refresh)
      yield* Fiber.join(move)
      const stored = yield* Effect.flatten((yield* Stores.open(place)).store.get(CODEX))
      assert.strictEqual(
        Redacted.value(Option.getOrThrow(stored.credential.accessToken)),
        Redacted.value(token.token)
      )
      assert.lengthOf(server.requests, 1)
    }))

  it.scopedLive("a login that came along while others were waited for is waited for, too", () =>
    Effect.gen(function*() {
      const place = yield* withPlace
      const opened = yield* Stores.open(place)
      yield* put(opened, CODEX, credential(1))
      const tenantLock = (tenant: TenantId.TenantId) =>
        Effect.flatten(opened.lock.tryAcquire(LockTarget.Tenant({ tenant })))
      const codex = yield* tenantLock(CODEX)
      const rounds = yield* Queue.unbounded<void>()
      const mover = yield* Stores.open(place)
      const move = yield* mover.move("secrets").pipe(
        Effect.provide(StepTracer.layer(({ at, name }) => {
          if (name === "lockstep.move.lock" && at === "start") Queue.unsafeOffer(rounds, undefined)
        })),
        Effect.fork
      )
      yield* Queue.take(rounds)
      const later = yield* tenantLock(LONG)
      yield* put(opened, LONG, credential(1))
      yield* codex.release({ changed: true })
      // It begins again, since it does not hold the lock of the one that came along.
      yield* Queue.take(rounds)
      assert.strictEqual(move.unsafePoll(), null)
      yield* put(opened, LONG, credential(2))
      yield* later.release({ changed: true })
      deepStrictEqual([...(yield* Fiber.join(move)).tenants].sort(), [CODEX, LONG].sort())
      const stored = yield* Effect.flatten((yield* Stores.open(place)).store.get(LONG))
      assert.strictEqual(stored.credential.generation, 2)
    }))
})
