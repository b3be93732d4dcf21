import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import * as AnswerFile from "@lockstep/node/AnswerFile"
import * as Keyring from "@lockstep/node/keyring/Keyring"
import * as SealedText from "@lockstep/node/secrets/SealedText"
import * as ScriptedTokenEndpoint from "@lockstep/testing/ScriptedTokenEndpoint"
import { credential } from "@lockstep/testkit/contract/credentials"
import { answer, fullRecord } from "@lockstep/testkit/contract/journals"
import { attempt } from "@lockstep/testkit/contract/pendingLogins"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as StepTracer from "@lockstep/testkit/processes/StepTracer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as SealedHomes from "../support/sealedHomes.js"

const CODEX = TenantId.make("codex")
const OTHER = TenantId.make("other")

const put = ({ store }: SealedHomes.Opened, generation: number, tenant = CODEX) =>
  store.modify(tenant, () => Change.Put({ credential: credential(generation), value: () => generation }))

/** A home that was used: a store with an expired login, an unfinished login, a journal, an answer that was kept. */
const used = Effect.gen(function*() {
  const place = yield* SealedHomes.withKeyFile
  const endpoint = yield* ScriptedTokenEndpoint.make
  const login = endpoint.issue({ expiresAt: Option.some(1), generation: 4 })
  const opened = yield* SealedHomes.open(place.directory, { file: place.file })
  yield* opened.store.modify(CODEX, () => Change.Put({ credential: login, value: () => undefined }))
  yield* opened.pending.put({ tenant: OTHER, user: "local" }, attempt(Math.floor(Date.now() / 1_000)))
  yield* opened.journal.write(OTHER, fullRecord(OTHER))
  yield* opened.journal.keepAnswer(OTHER, answer("kept"))
  return { ...place, endpoint, opened, login }
})

type Used = Effect.Effect.Success<typeof used>

const coordinator = ({ context }: SealedHomes.Opened, endpoint: ScriptedTokenEndpoint.ScriptedTokenEndpoint) =>
  Effect.map(
    Layer.build(
      RefreshCoordinator.layer.pipe(
        Layer.provide(endpoint.layer),
        Layer.provide(Layer.succeedContext(context))
      )
    ),
    Context.get(RefreshCoordinator.RefreshCoordinator)
  )

/** Everything but locks, which hold nothing. */
const content = (directory: string) =>
  [...SealedHomes.snapshot(directory)].filter(([name]) => !name.endsWith(".lock")).sort()

/** What each way to use a home fails with, in a process that opens it now. Nothing of it may change a file. */
const refusals = ({ directory, endpoint }: Used, keys: SealedHomes.Keys) =>
  Effect.gen(function*() {
    const before = content(directory)
    const opened = yield* SealedHomes.open(directory, keys)
    const { accessToken } = yield* coordinator(opened, endpoint)
    const ways: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
      opened.store.get(CODEX),
      opened.store.list,
      opened.store.prepare(CODEX),
      put(opened, 9),
      put(opened, 1, TenantId.make("new")),
      opened.store.modify(CODEX, () => Change.Remove({ value: undefined })),
      opened.pending.list,
      opened.pending.put({ tenant: CODEX, user: "local" }, attempt(Math.floor(Date.now() / 1_000))),
      accessToken(CODEX)
    ]
    const failures = yield* Effect.forEach(ways, Effect.flip)
    deepStrictEqual(content(directory), before)
    deepStrictEqual(endpoint.requests, [])
    return failures.map((error) => {
      assert.instanceOf(error, CredentialStoreError)
      assert.isNull(`${error.message} ${error.advice} ${JSON.stringify(error)}`.match(FakeToken.PATTERN))
      return error
    })
  })

const same = (errors: ReadonlyArray<CredentialStoreError>) => {
  const [first] = errors
  for (const error of errors) {
    deepStrictEqual(
      [error.reason, error.location, error.detail],
      [first!.reason, first!.location, first!.detail]
    )
  }
  return first!
}

const damage = (path: string, change: (bytes: Buffer) => Uint8Array): void =>
  Fs.writeFileSync(path, change(Fs.readFileSync(path)))

const flipped = (bytes: Buffer): Buffer => {
  const at = bytes.length - 40
  bytes[at] = bytes[at] === 0x41 ? 0x42 : 0x41
  return bytes
}

describe("a sealed home", () => {
  it.scopedLive("holds no readable token, in any file", () =>
    Effect.gen(function*() {
      const { directory, opened } = yield* used
      yield* opened.journal.reserveAnswer(CODEX, 4_096)
      yield* opened.journal.keepAnswer(CODEX, answer("kept", 3_000))
      yield* put(opened, 9)
      deepStrictEqual(SealedHomes.leaks(directory), [])
      deepStrictEqual([...SealedHomes.snapshot(directory).keys()].sort(), [
        "auth.json.global.lock",
        "auth.json.refresh.codex.answer",
        "auth.json.refresh.other.answer",
        "auth.json.refresh.other.json",
        "auth.json.sealed",
        "store.json"
      ])
      // The check would see one: the same things in a plain home.
      Fs.writeFileSync(Path.join(directory, "plain"), Buffer.from(` ${FakeToken.make("rt")}`).toString("base64"))
      deepStrictEqual(SealedHomes.leaks(directory), ["plain"])
    }))

  it.scopedLive("serves, refreshes and stores as every other", () =>
    Effect.gen(function*() {
      const { directory, endpoint, file, opened } = yield* used
      const { accessToken } = yield* coordinator(opened, endpoint)
      const { generation } = yield* accessToken(CODEX)
      assert.strictEqual(generation, 5)
      assert.strictEqual(endpoint.redemptions.length, 1)
      const other = yield* SealedHomes.open(directory, { file })
      assert.strictEqual((yield* Effect.flatten(other.store.get(CODEX))).credential.generation, 5)
      assert.strictEqual((yield* other.pending.list).length, 1)
      deepStrictEqual(SealedHomes.leaks(directory), [])
    }))

  it.scopedLive("holds none at any step of a refresh", () =>
    Effect.gen(function*() {
      const place = yield* SealedHomes.withKeyFile
      const seen = new Set<string>()
      const found: Array<string> = []
      yield* Effect.gen(function*() {
        const endpoint = yield* ScriptedTokenEndpoint.make
        const login = endpoint.issue({ expiresAt: Option.some(1), generation: 4 })
        const opened = yield* SealedHomes.open(place.directory, { file: place.file })
        yield* opened.store.modify(CODEX, () => Change.Put({ credential: login, value: () => undefined }))
        yield* (yield* coordinator(opened, endpoint)).accessToken(CODEX)
      }).pipe(Effect.provide(StepTracer.layer(({ at, name }) => {
        if (!Fs.existsSync(place.directory)) return
        seen.add(name)
        found.push(...SealedHomes.leaks(place.directory).map((file) => `${file} at the ${at} of ${name}`))
      })))
      deepStrictEqual(found, [])
      for (const step of ["file.write", "file.sync", "file.rename", "refresh.capture", "refresh.persist"]) {
        assert.isTrue(seen.has(`lockstep.${step}`), step)
      }
    }))

  it.scopedLive("keeps room for an answer as long as it will be, before anything is spent", () =>
    Effect.gen(function*() {
      const { directory, opened } = yield* used
      const path = Path.join(directory, "auth.json.refresh.codex.answer")
      const kept = answer("kept", 5_000)
      yield* opened.journal.keepAnswer(CODEX, kept)
      const plain = Number(/ length=(\d+)/.exec(Fs.readFileSync(path, "latin1"))![1])
      yield* opened.journal.dropAnswer(CODEX)
      yield* opened.journal.reserveAnswer(CODEX, plain)
      const room = Fs.statSync(path).size
      yield* opened.journal.keepAnswer(CODEX, kept)
      assert.strictEqual(Fs.statSync(path).size, room)
    }))

  it.scopedLive("asks for the key before anything is spent", () =>
    Effect.gen(function*() {
      const { endpoint, file, opened } = yield* used
      Fs.rmSync(file)
      // This process read the store before and has its keys: nothing keeps it from going on.
      const { accessToken } = yield* coordinator(opened, endpoint)
      assert.strictEqual((yield* accessToken(CODEX)).generation, 5)
      // One that starts now gets nowhere.
      const home = Path.join(Path.dirname(file), "another")
      const fresh = yield* SealedHomes.open(home, { file })
      for (const way of [fresh.store.prepare(CODEX), fresh.journal.reserveAnswer(CODEX, 10)]) {
        const error = yield* Effect.flip(way)
        deepStrictEqual([error._tag, error.reason], ["CredentialStoreError", "Unavailable"])
      }
      deepStrictEqual(Fs.readdirSync(home).filter((name) => name.includes("sealed") || name.includes("answer")), [])
    }))
})

describe("a file that cannot be opened is neither written nor taken for an empty one, and nothing is redeemed", () => {
  const cases: ReadonlyArray<readonly [string, (home: Used) => void, CredentialStoreError["reason"], RegExp]> = [
    ["was changed", ({ sealed }) => damage(sealed, flipped), "Decode", /changed since it was sealed/],
    [
      "was cut short",
      ({ sealed }) => damage(sealed, (bytes) => bytes.subarray(0, bytes.length - 9)),
      "Decode",
      /cut short/
    ],
    ["is empty", ({ sealed }) => damage(sealed, () => Buffer.alloc(0)), "Decode", /cut short/],
    [
      "was sealed by a later version",
      ({ sealed }) => damage(sealed, (bytes) => Buffer.from(bytes.toString().replace("sealed 1", "sealed 2"))),
      "Decode",
      /form 2/
    ],
    [
      "is the plain store",
      ({ sealed }) => damage(sealed, () => Buffer.from(`{"version":1,"tenants":{"x":"${FakeToken.make("rt")}"}}`)),
      "Decode",
      /not a sealed file/
    ],
    [
      "is another sealed file",
      ({ directory, sealed }) => {
        const kept = Fs.readFileSync(Path.join(directory, "auth.json.refresh.other.answer"), "latin1")
        Fs.writeFileSync(sealed, kept.slice(kept.indexOf("lockstep-sealed ")))
      },
      "Decode",
      /another file/
    ],
    [
      "is sealed with a key that was replaced",
      ({ file }) => SealedHomes.writeKeys(file, SealedHomes.keyLine()),
      "Locked",
      /sealed with key [0-9a-f]{16}, and \S+, whose key is [0-9a-f]{16}, does not have that one/
    ],
    ["has lost its key", ({ file }) => Fs.rmSync(file), "Unavailable", /no such file/],
    ["has a key that others can read", ({ file }) => Fs.chmodSync(file, 0o640), "Unavailable", /mode 640/],
    ["has a malformed key", ({ file }) => SealedHomes.writeKeys(file, "no key\n"), "Decode", /line 1/]
  ]

  for (const [what, spoil, reason, detail] of cases) {
    it.scopedLive(`when it ${what}`, () =>
      Effect.gen(function*() {
        const home = yield* used
        spoil(home)
        const error = same(yield* refusals(home, { file: home.file }))
        assert.strictEqual(error.reason, reason)
        assert.match(error.detail!, detail)
      }))
  }

  it.scopedLive("when its keys are looked for in a keyring that does not have them, locked, hanging or missing", () =>
    Effect.gen(function*() {
      const failing = (reason: Keyring.KeyringError["reason"]) =>
        Layer.sync(
          Keyring.Keyring,
          () =>
            Keyring.makeMemory({ before: () => Effect.fail(new Keyring.KeyringError({ reason, detail: "as told" })) })
        )
      const expected = [
        [yield* SealedHomes.sharedKeyring, "Locked"],
        [failing("Locked"), "Locked"],
        // No index says that a key was ever kept in a keyring: what is missing is the key file, whatever a keyring says.
        [failing("Timeout"), "Locked"],
        [failing("Unavailable"), "Locked"],
        [SealedHomes.NO_KEYRING, "Locked"]
      ] as const
      for (const [keyring, reason] of expected) {
        const home = yield* used
        for (const error of yield* refusals(home, { keyring })) assert.strictEqual(error.reason, reason)
      }
    }))

  it.scopedLive("when it is the kept answer of a rotation, which is worth more than the stored token", () =>
    Effect.gen(function*() {
      const spoils: ReadonlyArray<(sealed: string, home: Used) => string> = [
        (sealed) => flipped(Buffer.from(sealed)).toString(),
        (sealed) => sealed.slice(0, -9),
        (sealed) => sealed.replace(/key=\w+/, `key=${"0".repeat(16)}`)
      ]
      for (const [i, spoil] of spoils.entries()) {
        const home = yield* used
        const { directory, endpoint, file, login, opened } = home
        const fingerprint = FakeToken.fingerprint(Redacted.value(Option.getOrThrow(login.refreshToken)))
        const record = fullRecord(CODEX)
        yield* opened.journal.write(
          CODEX,
          RefreshJournal.JournalRecord.make({
            ...RefreshJournal.empty(CODEX),
            intent: Option.map(
              record.intent,
              (intent) => RefreshJournal.Intent.make({ ...intent, fingerprint, state: "consumed", ambiguous: false })
            )
          })
        )
        yield* opened.journal.keepAnswer(CODEX, answer("attempt-7"))
        const path = Path.join(directory, "auth.json.refresh.codex.answer")
        const kept = Option.getOrThrow(yield* AnswerFile.read(path))
        yield* AnswerFile.keep(path, spoil(kept, home))
        const before = content(directory)
        const again = yield* SealedHomes.open(directory, { file })
        const error = yield* Effect.flip((yield* coordinator(again, endpoint)).accessToken(CODEX))
        deepStrictEqual(
          [error._tag, "reason" in error && error.reason, "location" in error && error.location],
          ["CredentialStoreError", i === 2 ? "Locked" : "Decode", path]
        )
        deepStrictEqual(content(directory), before)
        deepStrictEqual(endpoint.requests, [])
      }
    }))

  it.scopedLive("when it is anything at all", () =>
    Effect.gen(function*() {
      const { directory, file, sealed } = yield* used
      const sound = Fs.readFileSync(sealed)
      const mutated = FastCheck.tuple(
        FastCheck.nat({ max: sound.length - 1 }),
        FastCheck.nat({ max: 40 }),
        FastCheck.uint8Array({ maxLength: 40 })
      ).map(([at, cut, more]) => Buffer.concat([sound.subarray(0, at), more, sound.subarray(at + cut)]))
        .filter((bytes) => !bytes.equals(sound))
      const texts = FastCheck.oneof(
        mutated,
        FastCheck.uint8Array({ maxLength: 300 }),
        FastCheck.constant(Buffer.alloc(3_000_000, sound)),
        FastCheck.constant(Buffer.alloc(1_000_000)),
        FastCheck.constant(Buffer.from(sound.toString("latin1"), "utf16le"))
      )
      const opened = yield* SealedHomes.open(directory, { file })
      yield* Effect.promise(() =>
        FastCheck.assert(
          FastCheck.asyncProperty(texts, async (bytes) => {
            Fs.writeFileSync(sealed, bytes)
            for (const way of [Effect.asVoid(opened.store.get(CODEX)), Effect.asVoid(put(opened, 9))]) {
              const error = await Effect.runPromise(Effect.flip(way))
              assert.include(["Decode", "Locked"], "reason" in error ? error.reason : error._tag)
              assert.isNull(`${error.message} ${JSON.stringify(error)}`.match(FakeToken.PATTERN))
            }
            assert.isTrue(Fs.readFileSync(sealed).equals(Buffer.from(bytes)))
          }),
          { numRuns: 150 }
        )
      )
      Fs.writeFileSync(sealed, sound)
      assert.strictEqual((yield* Effect.flatten(opened.store.get(CODEX))).credential.generation, 4)
    }))
})

describe("an older text of the same file", () => {
  it.scopedLive("opens, and its refresh token is known to be retired", () =>
    Effect.gen(function*() {
      const { directory, endpoint, file, opened, sealed } = yield* used
      const old = Fs.readFileSync(sealed)
      const { accessToken } = yield* coordinator(opened, endpoint)
      yield* accessToken(CODEX)
      Fs.writeFileSync(sealed, old)
      endpoint.requests.splice(0)
      const again = yield* SealedHomes.open(directory, { file })
      const error = yield* Effect.flip((yield* coordinator(again, endpoint)).accessToken(CODEX))
      deepStrictEqual([error._tag, "reason" in error && error.reason], ["ReauthorizationRequired", "Stale"])
      deepStrictEqual(endpoint.requests, [])
      assert.isTrue(SealedText.isSealed(Fs.readFileSync(sealed)))
    }))
})
