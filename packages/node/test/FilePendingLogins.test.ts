import { assert, describe, it } from "@effect/vitest"
import { assertEquals, deepStrictEqual } from "@effect/vitest/utils"
import type * as PendingLogins from "@lockstep/core/PendingLogins"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import { credential } from "@lockstep/testkit/contract/credentials"
import { attempt } from "@lockstep/testkit/contract/pendingLogins"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as FileCalls from "./support/fileCalls.js"
import * as Processes from "./support/homeProcesses.js"

const CODEX = TenantId.make("codex")
const KEY: PendingLogins.PendingKey = { tenant: CODEX, user: "discord:42" }
const NAME = "codex:discord%3A42"
const SECRET = FakeToken.make("rt")

const seconds = () => Math.floor(Date.now() / 1_000)

/** A home whose `auth.json` another program wrote. */
const seeded = (text: string) =>
  Effect.gen(function*() {
    const directory = yield* Homes.temporary
    const file = Path.join(directory, "auth.json")
    Fs.writeFileSync(file, text, { mode: 0o600 })
    return { directory, file, ...yield* Homes.open(directory) }
  })

const put = (store: Homes.Opened["store"], generation: number) =>
  store.modify(CODEX, () => Change.Put({ credential: credential(generation), value: () => undefined }))

describe("unfinished logins in auth.json", () => {
  it.scopedLive("are written under tenant and user, as RFC names and seconds", () =>
    Effect.gen(function*() {
      const { file, pending } = yield* seeded("{\"version\":1,\"tenants\":{}}")
      const createdAt = seconds()
      const begun = attempt(createdAt, { codeVerifier: Option.some(Redacted.make(SECRET)), issRequired: true })
      yield* pending.put(KEY, begun)
      const written = JSON.parse(Fs.readFileSync(file, "utf8"))["pending"]
      deepStrictEqual(Object.keys(written), [NAME])
      deepStrictEqual(written[NAME], {
        vendor: "codex",
        method: "code",
        state: Redacted.value(Option.getOrThrow(begun.state)),
        code_verifier: SECRET,
        redirect_uri: "http://127.0.0.1:1455/auth/callback",
        iss_required: true,
        replace: false,
        same_account: false,
        created_at: createdAt
      })
    }))

  it.scopedLive("touch no credential and no other byte, in a file of any layout", () =>
    Effect.gen(function*() {
      const login = `"codex" : {"refresh_token":"${SECRET}" ,\t"u64":18446744073709551615,"expires_at":1.79e9}`
      const frame = (pending: string) =>
        `\uFEFF{ "version": 1,\r\n  "tenants":{${login}, "x": [1.0]},${pending}\r\n  "y":1e2}\r\n\r\n`
      const stranger = `"a:local":{"created_at":${seconds()},"later":{"deep":1.50},"created_by":"0.9"}`
      const { file, pending, store } = yield* seeded(frame(`"pending":{${stranger}},`))
      const before = yield* Effect.flatten(store.get(CODEX))
      yield* pending.put(KEY, attempt(seconds()))
      assert.include(
        Fs.readFileSync(file, "utf8"),
        `"tenants":{${login}, "x": [1.0]},"pending":{${stranger},"${NAME}":`
      )
      yield* pending.put(KEY, attempt(seconds()))
      const after = yield* Effect.flatten(store.get(CODEX))
      assert.strictEqual(after.version, before.version)
      assertEquals(after.credential, before.credential)
      assert.isTrue(yield* pending.remove(KEY))
      assert.strictEqual(Fs.readFileSync(file, "utf8"), frame(`"pending":{${stranger}},`))
    }))

  it.scopedLive("leave nothing of an earlier attempt in the next one", () =>
    Effect.gen(function*() {
      const old = `{"created_at":${seconds()},"device_code":"${SECRET}","later":1}`
      const { file, pending } = yield* seeded(`{"version":1,"pending":{"${NAME}":${old},"${NAME}":${old}}}`)
      // What is there twice is no login.
      assertEquals(yield* pending.get(KEY), Option.none())
      yield* pending.put(KEY, attempt(seconds()))
      assert.isFalse(Fs.readFileSync(file, "utf8").includes(SECRET))
      assert.isTrue(Option.isSome(yield* pending.get(KEY)))
    }))

  const strange = (created: number): ReadonlyArray<readonly [string, string]> => [
    ["of another type", `{"created_at":${created},"state":["${SECRET}"]}`],
    ["with a method of a later version", `{"created_at":${created},"method":"telepathy","state":"${SECRET}"}`],
    ["with a member twice", `{"created_at":${created},"state":"${SECRET}","state":"x"}`],
    ["with an endless interval", `{"created_at":${created},"interval":1e999}`]
  ]

  it.scopedLive.each(strange(seconds()))(
    "that do not decode stop no other login and are kept: %s",
    ([, entry]) =>
      Effect.gen(function*() {
        const { file, pending, store } = yield* seeded(`{"version":1,"pending":{"${NAME}":${entry}}}`)
        assertEquals(yield* pending.get(KEY), Option.none())
        deepStrictEqual(yield* pending.list, [])
        yield* put(store, 1)
        yield* pending.put({ ...KEY, user: "ann" }, attempt(seconds()))
        deepStrictEqual((yield* pending.list).map(({ user }) => user), ["ann"])
        assert.include(Fs.readFileSync(file, "utf8"), `"${NAME}":${entry}`)
        assert.isFalse(yield* pending.remove(KEY, attempt(seconds())))
        assert.isTrue(yield* pending.remove(KEY))
        assert.isFalse(Fs.readFileSync(file, "utf8").includes(NAME))
      })
  )

  it.scopedLive.each(strange(seconds() - 901))(
    "that do not decode are dropped when they are ancient: %s",
    ([, entry]) =>
      Effect.gen(function*() {
        const { file, pending } = yield* seeded(`{"version":1,"pending":{"${NAME}":${entry}},"tenants":{}}`)
        assert.isFalse(yield* pending.remove({ ...KEY, user: "ann" }))
        assert.strictEqual(Fs.readFileSync(file, "utf8"), "{\"version\":1,\"pending\":{},\"tenants\":{}}")
      })
  )

  it.scopedLive("under names that are none are passed over", () =>
    Effect.gen(function*() {
      const entry = `{"created_at":${seconds()},"state":"x"}`
      const names = ["codex", "codex:a:b", "codex:%zz", ":local", "codex:%61", "codex:a", "codex:discord:42"]
      const { pending } = yield* seeded(
        `{"version":1,"pending":{${names.map((name) => `"${name}":${entry}`).join(",")}}}`
      )
      deepStrictEqual((yield* pending.list).map(({ user }) => user), ["a"])
    }))

  it.scopedLive("are not written where nothing changes, and wake no waiter", () =>
    Effect.gen(function*() {
      const { pending } = yield* seeded(`{"version":1,"pending":{ }}`)
      const { calls } = yield* FileCalls.record(pending.remove(KEY))
      assert.notInclude(calls, "renameSync")
    }))

  it.scopedLive("in a home that does not exist are absent, and asking creates nothing", () =>
    Effect.gen(function*() {
      const directory = Path.join(yield* Homes.temporary, "home")
      const { pending } = yield* Homes.open(directory)
      assertEquals(yield* pending.get(KEY), Option.none())
      deepStrictEqual(yield* pending.list, [])
      assert.isFalse(Fs.existsSync(directory))
      yield* pending.put(KEY, attempt(seconds()))
      assert.strictEqual(Fs.statSync(Path.join(directory, "auth.json")).mode & 0o7777, 0o600)
    }))

  it.scopedLive.each([
    ["torn", `{"version":1,"pending":{"${NAME}":{"state":"${SECRET}`, false],
    ["no object", `{"version":1,"pending":["${SECRET}"]}`, false],
    ["beside a damaged record", `{"version":1,"tenants":{"codex":{"access_token":""}},"x":"${SECRET}"}`, true]
  ])("are not written where the file is damaged: %s", ([, text, isRead]) =>
    Effect.gen(function*() {
      const { file, pending } = yield* seeded(String(text))
      const reads = isRead === true ? [] : [pending.get(KEY), pending.list]
      if (isRead === true) deepStrictEqual(yield* pending.list, [])
      for (const effect of [...reads, pending.put(KEY, attempt(seconds())), pending.remove(KEY)]) {
        const error = yield* Effect.flip<unknown, { readonly _tag: string; readonly message: string }, never>(effect)
        assert.strictEqual(error._tag, "CredentialStoreError")
        assert.include(error.message, "is damaged")
        assert.isFalse(JSON.stringify(error).includes(SECRET) || error.message.includes(SECRET))
      }
      assert.strictEqual(Fs.readFileSync(file, "utf8"), text)
    }))

  it.scopedLive("of many processes and their refreshes at once are all there in the end", () =>
    Effect.gen(function*() {
      const directory = Path.join(yield* Homes.temporary, "home")
      const times = 10
      const children = yield* Effect.all(
        Array.from({ length: 4 }, () => Processes.spawn({ home: directory })),
        { concurrency: "unbounded" }
      )
      const answers = yield* Effect.forEach(
        children,
        (child, i) =>
          child.ask(i % 2 === 0 ? { do: "begin", user: `user-${i}`, times } : { do: "write", tenant: `t${i}`, times }),
        { concurrency: "unbounded" }
      )
      deepStrictEqual(answers.map((answer) => answer["event"]), ["done", "done", "done", "done"])
      const { pending, store } = yield* Homes.open(directory)
      deepStrictEqual(
        (yield* pending.list).map(({ user }) => user).sort(),
        [0, 2].flatMap((i) => Array.from({ length: times }, (_, n) => `user-${i}-${n}`)).sort()
      )
      for (const tenant of ["t1", "t3"]) {
        const { credential } = yield* Effect.flatten(store.get(TenantId.make(tenant)))
        assert.strictEqual(credential.generation, times)
      }
    }))
})
