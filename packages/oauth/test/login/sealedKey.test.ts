import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { mimocode } from "@lockstep/oauth/vendors/Mimocode"
import * as MimocodeKey from "@lockstep/oauth/vendors/MimocodeKey"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import {
  createCipheriv,
  createHash,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  randomBytes
} from "node:crypto"
import * as Stage from "./stage.js"

const { key, person, plain, refusal, request, visit } = Stage

/** Seals as the vendor does, with OpenSSL's curve and cipher and none of ours. */
const seal = (pk: string, members: unknown): string => {
  const recipient = createPublicKey({ key: Buffer.from(pk, "base64url"), format: "der", type: "spki" })
  const ephemeral = generateKeyPairSync("x25519")
  const shared = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: recipient })
  const nonce = randomBytes(12)
  const cipher = createCipheriv("aes-256-gcm", createHash("sha256").update(shared).digest(), nonce)
  const text = Buffer.concat([cipher.update(JSON.stringify(members)), cipher.final()])
  const point = ephemeral.publicKey.export({ format: "der", type: "spki" }).subarray(-32)
  return Buffer.concat([point, nonce, text, cipher.getAuthTag()]).toString("base64url")
}

const answer = { sk: "sk-the-api-key", uid: 4711, url: "https://api.xiaomimimo.com/v1" }

const sealedFor = (url: URL, members: unknown = answer) => seal(url.searchParams.get("pk") ?? "", members)

describe("a sealed key", () => {
  it.effect("is asked for with a public key of this attempt", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make({ vendors: [mimocode] })
      const invitation = yield* stage.login.begin(request(mimocode))
      const url = new URL("url" in invitation ? invitation.url : "")
      assert.strictEqual(url.origin + url.pathname, "https://platform.xiaomimimo.com/authorize")
      const { key_name, pk, ...rest } = Object.fromEntries(url.searchParams)
      deepStrictEqual(rest, {
        kn: "mimocode",
        redirect_uri: "https://platform.xiaomimimo.com/authorize/code/callback"
      })
      assert.match(key_name ?? "", /^mimo-code-cli-key-[0-9a-f]{8}$/)
      assert.strictEqual(Buffer.from(pk ?? "", "base64url").byteLength, 44)
    }))

  it.effect("is opened in the second step and stored without an expiry; nothing is sent", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make({ vendors: [mimocode] })
      const invitation = yield* stage.login.begin(request(mimocode))
      const url = new URL("url" in invitation ? invitation.url : "")
      const other = generateKeyPairSync("x25519").publicKey.export({ format: "der", type: "spki" }).toString(
        "base64url"
      )
      for (
        const text of [
          seal(other, answer),
          `u=${sealedFor(url).slice(0, -4)}AAAA`,
          sealedFor(url, { uid: 1 }),
          "u=AAAA"
        ]
      ) {
        const error = yield* refusal(stage.login.complete(key, Redacted.make(text)))
        assert.strictEqual(error, "LoginFailed CodeUnreadable")
      }
      const result = yield* stage.login.complete(key, Redacted.make(`http://localhost/?u=${sealedFor(url)}`))
      assert.strictEqual(result.method, "key")
      const record = (yield* stage.stored)!
      deepStrictEqual([plain(record.accessToken), plain(record.refreshToken)], ["sk-the-api-key", null])
      assert.isTrue(Option.isNone(record.expiresAt))
      assert.strictEqual(Option.getOrNull(Option.flatMap(record.account, ({ id }) => id)), "4711")
      assert.strictEqual(stage.network.requests.length, 0)
      assert.isTrue(Option.isNone(yield* stage.pending.get(key)))
    }))

  it.effect("of a stranger is answered with a page, and the login goes on at the same port", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make({ vendors: [mimocode] })
      const visitor = yield* person
      const fiber = yield* Effect.fork(stage.login.browser(request(mimocode), visitor.self))
      const url = yield* visitor.url
      const port = Number(new URL(url.searchParams.get("redirect_uri") ?? "").port)
      assert.strictEqual(url.searchParams.get("redirect_uri"), `http://localhost:${port}/`)

      assert.strictEqual(yield* visit(stage, "code=x"), "refused")
      const stranger = yield* visit(stage, "u=c3RyYW5nZXI")
      assert.strictEqual(stranger === "refused" ? stranger : stranger.outcome, "Failed")
      while (!stage.ports.open.has(port)) yield* Effect.yieldNow()
      const page = yield* visit(stage, `u=${sealedFor(url)}`)
      assert.strictEqual(page === "refused" ? page : page.outcome, "Done")
      assert.strictEqual((yield* Fiber.join(fiber)).method, "key")
      assert.strictEqual(stage.ports.open.size, 0)
    }))

  it.effect("opens nothing where the private key is malformed", () =>
    Effect.gen(function*() {
      const opened = yield* MimocodeKey.open(Buffer.alloc(80).toString("base64url"), Redacted.make("short"))
      assert.isTrue(Option.isNone(opened))
    }))
})
