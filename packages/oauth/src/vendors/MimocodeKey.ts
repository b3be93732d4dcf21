/**
 * How MiMo Code hands over an API key: sealed for a key pair that exists for one login. Facts as read in
 * XiaomiMiMo/MiMo-Code `packages/opencode/src/plugin/mimo.ts`, not promised by Xiaomi.
 *
 * There is no `state`: an answer belongs to an attempt if that attempt's key opens it.
 *
 * @since 0.1.0
 */
import { x25519 } from "@noble/curves/ed25519.js"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as JsonObject from "../JsonObject.js"

/** DER of an X25519 SubjectPublicKeyInfo, RFC 8410, up to the key itself. */
const SPKI = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x03, 0x21, 0x00)

const PUBLIC_KEY = 32
const NONCE = 12
const TAG = 16

/**
 * Makes the private key of one login. 32 bytes, base64url.
 *
 * @since 0.1.0
 * @category constructors
 */
export const generate: Effect.Effect<Redacted.Redacted> = Effect.sync(() =>
  Redacted.make(Encoding.encodeBase64Url(x25519.utils.randomSecretKey()))
)

const bytesOf = (privateKey: Redacted.Redacted): Option.Option<Uint8Array> =>
  Option.filter(
    Either.getRight(Encoding.decodeBase64Url(Redacted.value(privateKey))),
    (bytes) => bytes.byteLength === PUBLIC_KEY
  )

/**
 * Builds the parameters of the address that a person opens. The key's name tells it from others in the vendor's console.
 *
 * @since 0.1.0
 * @category getters
 */
export const parameters = (privateKey: Redacted.Redacted): Effect.Effect<Readonly<Record<string, string>>> =>
  Effect.sync(() => ({
    pk: Encoding.encodeBase64Url(Uint8Array.of(
      ...SPKI,
      ...Option.match(bytesOf(privateKey), {
        onNone: () => new Uint8Array(),
        onSome: (bytes) => x25519.getPublicKey(bytes)
      })
    )),
    key_name: `mimo-code-cli-key-${Encoding.encodeHex(globalThis.crypto.getRandomValues(new Uint8Array(4)))}`
  }))

const decrypt = (sealed: Uint8Array<ArrayBuffer>, privateKey: Uint8Array): Promise<ArrayBuffer> => {
  const shared = Uint8Array.from(x25519.getSharedSecret(privateKey, sealed.subarray(0, PUBLIC_KEY)))
  return globalThis.crypto.subtle.digest("SHA-256", shared)
    .then((digest) => globalThis.crypto.subtle.importKey("raw", digest, "AES-GCM", false, ["decrypt"]))
    .then((key) =>
      globalThis.crypto.subtle.decrypt(
        { name: "AES-GCM", iv: sealed.subarray(PUBLIC_KEY, PUBLIC_KEY + NONCE), tagLength: TAG * 8 },
        key,
        sealed.subarray(PUBLIC_KEY + NONCE)
      )
    )
}

/**
 * Opens what the vendor sealed: base64url of an ephemeral public key, a nonce, ciphertext and tag; AES-256-GCM under the
 * SHA-256 of the shared secret. `None` for anything that was not sealed for this key.
 *
 * @since 0.1.0
 * @category decoding
 */
export const open = (
  sealed: string,
  privateKey: Redacted.Redacted
): Effect.Effect<Option.Option<JsonObject.JsonObject>> =>
  Option.match(
    Option.all([
      bytesOf(privateKey),
      Option.filter(
        Either.getRight(Encoding.decodeBase64Url(sealed.replace(/=+$/, ""))),
        (bytes) => bytes.byteLength > PUBLIC_KEY + NONCE + TAG
      )
    ]),
    {
      onNone: () => Effect.succeedNone,
      onSome: ([key, bytes]) =>
        Effect.tryPromise(() => decrypt(Uint8Array.from(bytes), key)).pipe(
          Effect.map((plain) => JsonObject.parse(new TextDecoder().decode(plain))),
          // The caller does not learn why: another key, a changed byte and a broken point are one answer.
          Effect.orElseSucceed(Option.none)
        )
    }
  )
