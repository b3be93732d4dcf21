/**
 * Xiaomi's key hand-off as `XiaomiMiMo/MiMo-Code packages/opencode/src/plugin/mimo.ts` speaks it: the browser carries an
 * API key that only the holder of the X25519 key can open. No `state`, no expiry, no refresh.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import {
  createCipheriv,
  createHash,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes
} from "node:crypto"
import * as FakeToken from "../FakeToken.js"
import * as VendorEmulator from "./VendorEmulator.js"
import { type Route, text, violate } from "./VendorServer.js"
import * as WireRules from "./WireRules.js"

const PLATFORM = "https://platform.xiaomimimo.com"

/**
 * Where `MIMO_PLATFORM_URL` can send the vendor's client.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const OTHER_PLATFORM = "https://mimo.vendor.example"

/**
 * Who logs in here.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const ACCOUNT: { readonly id: string } = { id: "mi-4711" }

/**
 * The page that shows the sealed key to a person.
 *
 * @since 0.1.0
 * @category fixtures
 */
export const PAGE = `${PLATFORM}/authorize/code/callback`

/** The last 32 bytes of an X25519 SPKI are the key (RFC 8410). */
const rawKey = (key: KeyObject): Buffer => key.export({ format: "der", type: "spki" }).subarray(-32)

const seal = (recipient: KeyObject, content: string): string => {
  const ephemeral = generateKeyPairSync("x25519")
  const shared = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: recipient })
  const nonce = randomBytes(12)
  const cipher = createCipheriv("aes-256-gcm", createHash("sha256").update(shared).digest(), nonce)
  const sealed = Buffer.concat([cipher.update(content, "utf8"), cipher.final()])
  return Buffer.concat([rawKey(ephemeral.publicKey), nonce, sealed, cipher.getAuthTag()]).toString("base64url")
}

const keyOf = Option.liftThrowable((text: string) => {
  const key = createPublicKey({ key: Buffer.from(text, "base64url"), format: "der", type: "spki" })
  if (key.asymmetricKeyType !== "x25519") throw new TypeError("not X25519")
  return key
})

/**
 * Starts the vendor.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (): Effect.Effect<VendorEmulator.VendorEmulator, never, Scope.Scope> =>
  VendorEmulator.make({
    interval: 7,
    vendor: ({ person }) => {
      const keys = new Set<string>()
      const page: Route = (request) =>
        Effect.gen(function*() {
          const malformed = text(400, "Bad Request")
          const members = yield* WireRules.query(request, malformed)
          yield* WireRules.check(
            {
              pk: /^[\w-]+$/,
              redirect_uri: (uri) =>
                uri === PAGE || (typeof uri === "string" && /^http:\/\/localhost:\d+\/$/.test(uri)),
              kn: "mimocode",
              key_name: /^mimo-code-cli-key-[0-9a-f]+$/
            },
            members,
            malformed
          )
          const recipient = keyOf(WireRules.textOf(members, "pk"))
          if (Option.isNone(recipient)) return yield* violate("pk is no X25519 key", malformed)
          const location = new URL(WireRules.textOf(members, "redirect_uri"))
          if (!person.agrees) {
            location.searchParams.set("error", "access_denied")
            return text(302, "", { location: location.href })
          }
          const key = FakeToken.make("at")
          keys.add(key)
          const content = { sk: key, uid: ACCOUNT.id, url: "https://api.xiaomimimo.com/v1" }
          location.searchParams.set("u", seal(recipient.value, JSON.stringify(content)))
          return text(302, "", { location: location.href })
        })

      return {
        isLive: (token) => keys.has(token),
        routes: { [`GET ${PLATFORM}/authorize`]: page, [`GET ${OTHER_PLATFORM}/authorize`]: page }
      }
    }
  })
