import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as Home from "@lockstep/node/Home"
import * as Keyring from "@lockstep/node/keyring/Keyring"
import * as KeyFile from "@lockstep/node/secrets/KeyFile"
import * as SealingKeys from "@lockstep/node/secrets/SealingKeys"
import * as SecretsKeys from "@lockstep/node/secrets/SecretsKeys"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Disks from "../support/disks.js"
import * as Privileges from "../support/privileges.js"

const NOBODY = 65_534

const make = (path: string, options?: KeyFile.Options) =>
  Effect.provide(KeyFile.make(path, options), Home.layer({ directory: Path.join(Path.dirname(path), "home") }))

const withText = (text: string | Uint8Array, mode = 0o600) =>
  Effect.map(Homes.temporary, (directory) => {
    const file = Path.join(directory, "lockstep.key")
    Fs.writeFileSync(file, text)
    Fs.chmodSync(file, mode)
    return file
  })

const bytes = Crypto.randomBytes(32)
const other = Crypto.randomBytes(32)
const base64 = (key: Uint8Array) => Buffer.from(key).toString("base64")
const idOf = (key: Uint8Array) => SealingKeys.fromBytes(key).id

const failure = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.flip(effect), (error) => error as E & { readonly reason: string; readonly detail?: string })

describe("a key file", () => {
  it.scopedLive.each([
    ["base64", base64(bytes)],
    ["base64 and a line's end", `${base64(bytes)}\n`],
    ["base64 without its padding", base64(bytes).replace("=", "")],
    ["base64url", bytes.toString("base64url")],
    ["hex", bytes.toString("hex")],
    ["hex in capitals", bytes.toString("hex").toUpperCase()],
    ["a file with comments, blanks and the ends of lines of Windows", `# of 2026\r\n\r\n  ${base64(bytes)} \r\n#end`],
    ["a key twice", `${base64(bytes)}\n${bytes.toString("hex")}\n`]
  ])("is read as %s", ([, text]) =>
    Effect.gen(function*() {
      const keys = yield* make(yield* withText(text!))
      const { id, key } = yield* keys.current
      assert.strictEqual(id, idOf(bytes))
      assert.isTrue(bytes.equals(Redacted.value(key)))
    }))

  it.scopedLive("seals with its first key and opens with all of them", () =>
    Effect.gen(function*() {
      const keys = yield* make(yield* withText(`${base64(bytes)}\n${other.toString("hex")}\n`))
      assert.strictEqual((yield* keys.current).id, idOf(bytes))
      assert.isTrue(Option.isSome(yield* keys.find(idOf(other))))
      assert.isTrue(Option.isNone(yield* keys.find("0".repeat(16))))
    }))

  it.scopedLive("is read again after it changed, also through a link that was turned", () =>
    Effect.gen(function*() {
      const file = yield* withText(base64(bytes))
      const next = Path.join(Path.dirname(file), "next")
      Fs.writeFileSync(next, `${base64(other)}\n${base64(bytes)}`, { mode: 0o600 })
      const link = Path.join(Path.dirname(file), "link")
      Fs.symlinkSync(file, link)
      const keys = yield* make(link)
      assert.strictEqual((yield* keys.current).id, idOf(bytes))
      Fs.rmSync(link)
      Fs.symlinkSync(next, link)
      assert.isTrue(Option.isSome(yield* keys.find(idOf(other))))
      assert.strictEqual((yield* keys.current).id, idOf(other))
    }))

  it.scopedLive("that cannot be read for a moment does not stop a process that has read it from sealing", () =>
    Effect.gen(function*() {
      const file = yield* withText(base64(bytes))
      const keys = yield* make(file)
      yield* keys.current
      Fs.rmSync(file)
      assert.strictEqual((yield* keys.current).id, idOf(bytes))
      assert.isTrue(Option.isSome(yield* keys.find(idOf(bytes))))
      assert.strictEqual((yield* failure(keys.find(idOf(other)))).reason, "Unavailable")
    }))
})

describe("a key file is refused", () => {
  const secret = base64(bytes)

  it.scopedLive.each([
    ["that is empty", "", "there is no key in it"],
    ["of comments alone", "# a key\n\n", "there is no key in it"],
    ["with a key too short", base64(bytes.subarray(1)), "line 1 "],
    ["with a key too long", base64(Buffer.concat([bytes, bytes])), "line 1 "],
    ["with hex too short", bytes.toString("hex").slice(2), "line 1 "],
    ["with a malformed second line", `${secret}\n${secret.slice(0, 20)}\n`, "line 2 "],
    ["with two keys on a line", `${secret} ${secret}`, "line 1 "],
    ["with base64 that no program writes", secret.replace(/.=$/, "/="), "line 1 "],
    ["with a name before the key", `key=${secret}`, "line 1 "],
    ["that is not text", Buffer.concat([Buffer.from(secret), Buffer.from([0xff, 0xfe])]), "not text"],
    ["in UTF-16", Buffer.from(secret, "utf16le"), "line 1 "],
    ["that is huge", Buffer.alloc(70_000, `${secret}\n`), "longer than"]
  ])("%s", ([, text, detail]) =>
    Effect.gen(function*() {
      const file = yield* withText(text!)
      const before = Fs.readFileSync(file)
      const keys = yield* make(file)
      for (const way of [keys.current, keys.find(idOf(bytes)), keys.renew]) {
        const error = yield* failure<unknown, unknown>(way)
        assert.strictEqual(error.reason, "Decode")
        assert.include(error.detail!, detail as string)
        assert.isFalse(`${String(error)} ${JSON.stringify(error)}`.includes(secret.slice(0, 16)))
      }
      assert.isTrue(Fs.readFileSync(file).equals(before))
    }))

  it.scopedLive("with any mode that lets others in, and with no other", () =>
    Effect.gen(function*() {
      for (const mode of [0o600, 0o400, 0o700]) {
        assert.strictEqual((yield* (yield* make(yield* withText(secret, mode))).current).id, idOf(bytes))
      }
      for (const mode of [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o666, 0o440]) {
        const error = yield* failure((yield* make(yield* withText(secret, mode))).current)
        deepStrictEqual([error.reason, error.detail], [
          "Unavailable",
          `other users may use it: mode ${mode.toString(8)}`
        ])
      }
    }))

  it.scopedLive("that is a directory, a FIFO or not there", () =>
    Effect.gen(function*() {
      const directory = yield* Homes.temporary
      assert.strictEqual((yield* failure((yield* make(directory)).current)).reason, "Read")
      assert.strictEqual((yield* failure((yield* make("/dev/null")).current)).reason, "Read")
      const missing = yield* failure((yield* make(Path.join(directory, "none"))).current)
      assert.strictEqual(missing.reason, "Unavailable")
      assert.include(missing.advice, "openssl rand -base64 32")
    }))

  it.scopedLive.skipIf(!Privileges.isRoot)(
    "that belongs to another user, unless the home is theirs",
    () =>
      Effect.gen(function*() {
        const file = yield* withText(secret)
        Privileges.giveToNobody(file)
        const error = yield* failure((yield* make(file)).current)
        deepStrictEqual([error.reason, error.detail], ["Unavailable", `it belongs to user ${NOBODY}`])
        const home = Path.join(Path.dirname(file), "home")
        Fs.mkdirSync(home, { mode: 0o700 })
        Privileges.giveToNobody(home)
        assert.strictEqual((yield* (yield* make(file)).current).id, idOf(bytes))
      })
  )

  it.scopedLive("whatever is in it, without a crash and without a word of it", () =>
    Effect.gen(function*() {
      const file = yield* withText("")
      const keys = yield* make(file)
      const sound = `# a comment\n${secret}\n${other.toString("hex")}\n`
      const texts = FastCheck.oneof(
        FastCheck.uint8Array({ maxLength: 200 }),
        FastCheck.string({ unit: "binary", maxLength: 100 }).map((text) => Buffer.from(text)),
        FastCheck.tuple(
          FastCheck.nat({ max: sound.length }),
          FastCheck.nat({ max: 5 }),
          FastCheck.string({ maxLength: 4 })
        )
          .map(([at, cut, more]) => Buffer.from(sound.slice(0, at) + more + sound.slice(at + cut)))
      )
      yield* Effect.promise(() =>
        FastCheck.assert(
          FastCheck.asyncProperty(texts, async (text) => {
            Fs.writeFileSync(file, text)
            // A process that has read no sound file before.
            const answer = await Effect.runPromise(Effect.either(Effect.flatMap(make(file), (fresh) => fresh.current)))
            if (answer._tag === "Right") return
            const shown = `${String(answer.left)} ${JSON.stringify(answer.left)}`
            for (const part of [secret, other.toString("hex")]) assert.isFalse(shown.includes(part.slice(0, 12)))
            assert.isTrue(Fs.readFileSync(file).equals(Buffer.from(text)))
          }),
          { numRuns: 500 }
        )
      )
      assert.isTrue(Option.isNone(yield* Effect.orElseSucceed(keys.find("0".repeat(16)), Option.none)))
    }))
})

describe("renewing the keys of a file", () => {
  it.scopedLive("puts a new key before the others, and keeps every byte, the mode and a link", () =>
    Effect.gen(function*() {
      const text = `# ours\n${base64(bytes)}\r\n\n# old\n${other.toString("hex")}`
      const file = yield* withText(text, 0o400)
      const link = Path.join(Path.dirname(file), "link")
      Fs.symlinkSync("lockstep.key", link)
      const keys = yield* make(link)
      const { id } = yield* keys.renew
      const after = Fs.readFileSync(file, "utf8")
      assert.strictEqual(after.slice(45), text)
      assert.strictEqual(idOf(Buffer.from(after.slice(0, 44), "base64")), id)
      assert.strictEqual(Fs.statSync(file).mode & 0o7777, 0o400)
      assert.isTrue(Fs.lstatSync(link).isSymbolicLink())
      assert.strictEqual((yield* keys.current).id, id)
      for (const old of [bytes, other]) assert.isTrue(Option.isSome(yield* keys.find(idOf(old))))
      // Only its owner knows what else is sealed with them.
      yield* keys.retire
      assert.strictEqual(Fs.readFileSync(file, "utf8"), after)
    }))

  it.scopedLive.skipIf(!Privileges.isRoot)("leaves the file to its owner", () =>
    Effect.gen(function*() {
      const file = yield* withText(base64(bytes))
      const home = Path.join(Path.dirname(file), "home")
      Fs.mkdirSync(home, { mode: 0o700 })
      for (const path of [file, home]) Privileges.giveToNobody(path)
      yield* (yield* make(file)).renew
      const { gid, mode, uid } = Fs.statSync(file)
      deepStrictEqual([uid, gid, mode & 0o777], [NOBODY, NOBODY, 0o600])
    }))

  it.scopedLive("removes what a killed one left, which holds keys", () =>
    Effect.gen(function*() {
      const file = yield* withText(base64(bytes))
      Fs.writeFileSync(`${file}.lockstep-99-1.tmp`, base64(other))
      yield* (yield* make(file)).renew
      deepStrictEqual(Fs.readdirSync(Path.dirname(file)), ["lockstep.key"])
    }))

  it.scopedLive.skipIf(!Disks.canMount)(
    "takes the first key of a file that is not ours to write",
    () =>
      Effect.gen(function*() {
        const disk = yield* Disks.make
        const file = Path.join(disk.directory, "lockstep.key")
        Fs.writeFileSync(file, base64(bytes), { mode: 0o400 })
        disk.makeReadOnly()
        assert.strictEqual((yield* (yield* make(file)).renew).id, idOf(bytes))
        assert.strictEqual(Fs.readFileSync(file, "utf8"), base64(bytes))
      })
  )

  it.scopedLive.skipIf(!Disks.canMount)(
    "fails where there is no room, and the file is what it was",
    () =>
      Effect.gen(function*() {
        const disk = yield* Disks.make
        const file = Path.join(disk.directory, "lockstep.key")
        Fs.writeFileSync(file, base64(bytes), { mode: 0o600 })
        disk.fill()
        const error = yield* failure((yield* make(file)).renew)
        deepStrictEqual([error.reason, error.detail], ["Write", "ENOSPC"])
        assert.strictEqual(Fs.readFileSync(file, "utf8"), base64(bytes))
        deepStrictEqual(Fs.readdirSync(disk.directory).sort(), ["filler", "lockstep.key"])
      })
  )
})

describe("a credential of systemd", () => {
  it.scopedLive("may carry an access list, which looks like the right of a group, and is never written", () =>
    Effect.gen(function*() {
      const file = yield* withText(base64(bytes), 0o440)
      assert.strictEqual((yield* failure((yield* make(file)).current)).reason, "Unavailable")
      const keys = yield* make(file, { systemd: true })
      assert.strictEqual((yield* keys.renew).id, idOf(bytes))
      assert.strictEqual(Fs.readFileSync(file, "utf8"), base64(bytes))
      for (const mode of [0o444, 0o460, 0o442]) {
        Fs.chmodSync(file, mode)
        assert.strictEqual((yield* failure((yield* make(file, { systemd: true })).current)).reason, "Unavailable")
      }
    }))
})

describe("the environment", () => {
  const chosen = (directory: string, env: Record<string, string>) =>
    Effect.map(
      Layer.build(SecretsKeys.layer.pipe(
        Layer.provide(Layer.merge(Keyring.layerMemory(), Home.layer({ directory: Path.join(directory, "home") }))),
        Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(env)))))
      )),
      (context) => Context.get(context, SealingKeys.SealingKeys).location
    )

  it.scopedLive("names a key file, else a credential of systemd, else the keyring", () =>
    Effect.gen(function*() {
      const file = yield* withText(base64(bytes))
      const directory = Path.dirname(file)
      const named = Path.join(directory, "missing")
      const both = { LOCKSTEP_SECRETS_KEY_FILE: named, CREDENTIALS_DIRECTORY: directory }
      assert.strictEqual(yield* chosen(directory, both), named)
      assert.strictEqual(yield* chosen(directory, { CREDENTIALS_DIRECTORY: directory }), file)
      assert.strictEqual(yield* chosen(directory, { ...both, LOCKSTEP_SECRETS_KEY_FILE: " " }), file)
      // A service may have other credentials.
      const without = { CREDENTIALS_DIRECTORY: Path.join(directory, "other") }
      for (const env of [without, {}]) assert.strictEqual(yield* chosen(directory, env), "the keyring (memory)")
    }))
})
