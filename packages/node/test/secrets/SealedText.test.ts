import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import * as SealedText from "@lockstep/node/secrets/SealedText"
import * as SealingKeys from "@lockstep/node/secrets/SealingKeys"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Redacted from "effect/Redacted"
import * as Crypto from "node:crypto"

const PURPOSE = "auth.json.sealed"

const key = Effect.runSync(SealingKeys.generate)
const text = JSON.stringify({ version: 1, tenants: { codex: { refresh_token: FakeToken.make("rt") } } })
const sealed = Buffer.from(SealedText.seal(key, PURPOSE, text))
const headerLength = sealed.indexOf("\n") + 1

const opened = (bytes: Uint8Array, purpose = PURPOSE, by = key): string =>
  Either.match(SealedText.open(by, purpose, bytes), {
    onLeft: ({ _tag }) => _tag,
    onRight: (plain) => `opened: ${Buffer.from(plain).toString("utf8")}`
  })

const property = <A>(arbitrary: FastCheck.Arbitrary<A>, check: (value: A) => void, numRuns = 300): void =>
  FastCheck.assert(FastCheck.property(arbitrary, check), { numRuns })

/** What takes the place of a byte: every bit of it flipped alone, and some bytes that mean something here. */
const replacements = (byte: number): ReadonlyArray<number> =>
  [...Array.from({ length: 8 }, (_, bit) => byte ^ (1 << bit)), ...Buffer.from("0159afAZ+/= \n\0")]
    .filter((other) => other !== byte)

describe("a sealed text", () => {
  it("opens as what it was, whatever it was", () => {
    property(
      FastCheck.tuple(FastCheck.string({ unit: "grapheme", maxLength: 300 }), FastCheck.string()),
      ([any, name]) => {
        const bytes = Buffer.from(SealedText.seal(key, name, any))
        assert.strictEqual(opened(bytes, name), `opened: ${any}`)
        assert.strictEqual(bytes.length, SealedText.sizeOf(Buffer.byteLength(any)))
      }
    )
  })

  it("takes exactly the room that was said, at every length around a block and a digit", () => {
    for (const length of [0, 1, 2, 3, 15, 16, 17, 99, 100, 101, 999, 1_000, 10_000, 1_000_000]) {
      assert.strictEqual(SealedText.seal(key, "a", "x".repeat(length)).length, SealedText.sizeOf(length))
    }
  })

  it("is one line of facts and one of base64, and tells nothing of what is in there", () => {
    const [header, body, end] = sealed.toString("latin1").split("\n")
    assert.match(
      header!,
      /^lockstep-sealed 1 key=[0-9a-f]{16} for=[0-9a-f]{16} length=\d+ salt=[\w+/]{43}= nonce=[\w+/]{16}$/
    )
    assert.match(body!, /^[\w+/]+=*$/)
    assert.strictEqual(end, "")
    assert.isNull(Buffer.from(body!, "base64").toString("latin1").match(FakeToken.PATTERN))
    assert.isFalse(sealed.toString("latin1").includes(PURPOSE))
  })

  it("never repeats a salt, a nonce or a body", () => {
    const all = Array.from({ length: 2_000 }, () => Buffer.from(SealedText.seal(key, PURPOSE, text)))
    const headers = all.map((one) => Either.getOrThrow(SealedText.headerOf(one)))
    const distinct = (of: ReadonlyArray<string>) => new Set(of).size
    assert.strictEqual(distinct(headers.map(({ salt }) => Buffer.from(salt).toString("hex"))), all.length)
    assert.strictEqual(distinct(headers.map(({ nonce }) => Buffer.from(nonce).toString("hex"))), all.length)
    assert.strictEqual(distinct(all.map((one) => one.subarray(headerLength).toString("latin1"))), all.length)
  })

  it("is what AES-256-GCM and HKDF-SHA256 make of it, so that any program can open it", () => {
    const [line, body] = sealed.toString("latin1").split("\n") as [string, string]
    const member = (name: string) => new RegExp(` ${name}=(\\S+)`).exec(line)![1]!
    const info = `lockstep-sealed 1\n${key.id}\n${PURPOSE}`
    const raw = Redacted.value(key.key)
    const textKey = Buffer.from(Crypto.hkdfSync("sha256", raw, Buffer.from(member("salt"), "base64"), info, 32))
    const bytes = Buffer.from(body, "base64")
    const cipher = Crypto.createDecipheriv("aes-256-gcm", textKey, Buffer.from(member("nonce"), "base64"))
    cipher.setAAD(Buffer.from(`${line}\n${PURPOSE}`))
    cipher.setAuthTag(bytes.subarray(-16))
    assert.strictEqual(cipher.update(bytes.subarray(0, -16), undefined, "utf8") + cipher.final("utf8"), text)
    assert.strictEqual(
      member("key"),
      Crypto.createHmac("sha256", raw).update("lockstep key id").digest("hex").slice(0, 16)
    )
  })
})

describe("what is refused", () => {
  it("says which of its bytes were changed by the kind of refusal, at every byte", () => {
    const classes = new Map<string, number>()
    for (const [at, byte] of sealed.entries()) {
      for (const other of replacements(byte)) {
        const changed = Buffer.from(sealed)
        changed[at] = other
        const answer = opened(changed)
        classes.set(answer, (classes.get(answer) ?? 0) + 1)
        const where = sealed.subarray(0, headerLength).toString("latin1").slice(0, at)
        const allowed = at < "lockstep-sealed ".length
          ? ["NotSealed"]
          // A number may still be one, and a length may say more or less than is there.
          : at === "lockstep-sealed ".length
          ? ["LaterVersion", "Tampered"]
          : / key=[0-9a-f]*$/.test(where)
          ? ["OtherKey", "Tampered"]
          : / for=[0-9a-f]*$/.test(where)
          ? ["OtherPurpose", "Tampered"]
          : / length=\d*$/.test(where)
          ? ["Truncated", "Tampered"]
          : ["Tampered"]
        assert.include(allowed, answer, `byte ${at} from ${byte} to ${other}`)
      }
    }
    // Each of them was met.
    deepStrictEqual(
      [...classes.keys()].sort(),
      ["LaterVersion", "NotSealed", "OtherKey", "OtherPurpose", "Tampered", "Truncated"]
    )
  })

  it("is cut short, at every byte", () => {
    for (let length = 0; length < sealed.length; length++) {
      assert.strictEqual(opened(sealed.subarray(0, length)), "Truncated", `after ${length} bytes`)
    }
  })

  it("is longer than it was, by anything", () => {
    property(FastCheck.uint8Array({ minLength: 1, maxLength: 40 }), (more) => {
      assert.strictEqual(opened(Buffer.concat([sealed, more])), "Tampered")
    })
    assert.strictEqual(opened(Buffer.concat([sealed, sealed])), "Tampered")
  })

  it("was sealed for another file or with another key, and both keys are named", () => {
    const other = Effect.runSync(SealingKeys.generate)
    assert.strictEqual(opened(sealed, "auth.json.refresh.codex.answer"), "OtherPurpose")
    assert.strictEqual(opened(sealed, PURPOSE, other), "OtherKey")
    const said = Either.match(SealedText.open(other, PURPOSE, sealed), {
      onLeft: SealedText.describe,
      onRight: () => ""
    })
    assert.include(said, key.id)
    assert.include(said, other.id)
  })

  it("names the right key and purpose, and was made without the key", () => {
    const other = Effect.runSync(SealingKeys.generate)
    // The header of a forger who has seen a sealed file and seals with a key of its own.
    const forged = SealedText.seal({ ...other, id: key.id }, PURPOSE, text)
    assert.strictEqual(opened(Buffer.from(forged)), "Tampered")
    const elsewhere = SealedText.seal(key, "another", text)
    const renamed = elsewhere.replace(/ for=\w+/, / for=\w+/.exec(sealed.toString("latin1"))![0])
    assert.strictEqual(opened(Buffer.from(renamed)), "Tampered")
  })

  it("was put together from two sealed texts of the same length", () => {
    const twin = Buffer.from(SealedText.seal(key, PURPOSE, text))
    assert.strictEqual(twin.length, sealed.length)
    assert.strictEqual(
      opened(Buffer.concat([sealed.subarray(0, headerLength), twin.subarray(headerLength)])),
      "Tampered"
    )
  })

  it("is anything else", () => {
    const anything = FastCheck.oneof(
      FastCheck.uint8Array({ maxLength: 400 }),
      FastCheck.string({ unit: "binary", maxLength: 200 }).map((some) => Buffer.from(some)),
      FastCheck.uint8Array({ maxLength: 300 }).map((some) => Buffer.concat([sealed.subarray(0, headerLength), some])),
      FastCheck.uint8Array({ maxLength: 60 }).map((some) => Buffer.concat([Buffer.from("lockstep-sealed 1 "), some])),
      FastCheck.constant(Buffer.from(text)),
      FastCheck.constant(Buffer.from(`\uFEFF${sealed.toString("latin1")}`)),
      FastCheck.constant(Buffer.from(sealed.toString("latin1"), "utf16le")),
      FastCheck.constant(Buffer.alloc(2_000_000, "lockstep-sealed 1 key=")),
      FastCheck.constant(Buffer.from(sealed.toString("latin1").replace(/length=\d+/, "length=9999999999"))),
      FastCheck.constant(Buffer.from(sealed.toString("latin1").replaceAll("\n", "\r\n")))
    )
    property(anything, (bytes) => {
      assert.isFalse(opened(bytes).startsWith("opened"), Buffer.from(bytes).toString("latin1").slice(0, 60))
    }, 3_000)
  })

  it("says so in words of its own, and never in those of the file", () => {
    const refusals = [
      SealedText.Refusal.NotSealed(),
      SealedText.Refusal.LaterVersion({ version: 2 }),
      SealedText.Refusal.Truncated(),
      SealedText.Refusal.OtherPurpose(),
      SealedText.Refusal.OtherKey({ sealedWith: "0".repeat(16), opened: "1".repeat(16) }),
      SealedText.Refusal.Tampered()
    ].map(SealedText.describe)
    assert.strictEqual(new Set(refusals).size, 6)
    for (const content of [`${text}`, `lockstep-sealed ${FakeToken.make("rt")}`, `lockstep-sealed 1 key=${text}\n`]) {
      const refusal = Either.match(SealedText.open(key, PURPOSE, Buffer.from(content)), {
        onLeft: (left) => `${SealedText.describe(left)} ${JSON.stringify(left)}`,
        onRight: () => "opened"
      })
      assert.isNull(refusal.match(FakeToken.PATTERN))
    }
  })
})

describe("a key", () => {
  it("shows its id and not itself", () => {
    const hex = Buffer.from(Redacted.value(key.key)).toString("hex")
    const shown = `${JSON.stringify(key)} ${String(key.key)}`
    assert.include(shown, key.id)
    assert.isFalse(shown.includes(hex.slice(0, 16)) || hex.includes(key.id))
  })
})
