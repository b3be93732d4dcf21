/**
 * How a client proves itself with a key of its own (RFC 7523 section 3, `private_key_jwt`). The key is PKCS #8 in PEM, or a
 * JSON Web Key, and lies where the other secrets of the login lie.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as OAuth from "oauth4webapi"
import type { ClientAuth } from "./ClientAuth.js"

type Algorithm = RsaHashedImportParams | EcKeyImportParams | { readonly name: "Ed25519" }

/** What a key may be of. WebCrypto wants to be told; a key of another kind is refused, and the next one is tried. */
const ALGORITHMS: ReadonlyArray<readonly [jwa: ReadonlyArray<string>, algorithm: Algorithm]> = [
  [["ES256", "P-256"], { name: "ECDSA", namedCurve: "P-256" }],
  [["ES384", "P-384"], { name: "ECDSA", namedCurve: "P-384" }],
  [["ES512", "P-521"], { name: "ECDSA", namedCurve: "P-521" }],
  [["EdDSA", "Ed25519"], { name: "Ed25519" }],
  [["PS256"], { name: "RSA-PSS", hash: "SHA-256" }],
  [["RS256", "RSA"], { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }]
]

const fromPem = async (pem: string): Promise<CryptoKey> => {
  const der = Uint8Array.from(atob(pem.replace(/-----[^-]+-----|\s/g, "")), (character) => character.charCodeAt(0))
  for (const [names, algorithm] of ALGORITHMS) {
    // RSA says nothing about its padding: RS256 is what every server knows.
    if (names.includes("PS256")) continue
    try {
      return await crypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"])
    } catch { /* of another kind */ }
  }
  throw new TypeError("no key of a known kind")
}

const fromJwk = async (jwk: JsonWebKey & { readonly kid?: unknown }): Promise<CryptoKey | OAuth.PrivateKey> => {
  const name = jwk.alg ?? jwk.crv ?? jwk.kty ?? ""
  const found = ALGORITHMS.find(([names]) => names.includes(name))
  if (found === undefined) throw new TypeError("no key of a known kind")
  const { key_ops: _, use: __, ...rest } = jwk
  const key = await crypto.subtle.importKey("jwk", rest, found[1], false, ["sign"])
  return typeof jwk.kid === "string" ? { key, kid: jwk.kid } : key
}

/**
 * Makes the proof of a key. Left says nothing of the key.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (text: string): Effect.Effect<ClientAuth, string> =>
  Effect.map(
    Effect.tryPromise({
      try: async () => text.trimStart().startsWith("{") ? await fromJwk(JSON.parse(text)) : await fromPem(text),
      // The error quotes what could not be read.
      catch: () => "the client's key is neither PKCS #8 in PEM nor a private JSON Web Key of a known kind"
    }),
    (key): ClientAuth => async (server, client, body, headers) => {
      // The way to a refresh loads it for the clients that sign, and for no other.
      const { PrivateKeyJwt } = await import("oauth4webapi")
      await PrivateKeyJwt(key)(server as OAuth.AuthorizationServer, client, body, headers as Headers)
    }
  )
