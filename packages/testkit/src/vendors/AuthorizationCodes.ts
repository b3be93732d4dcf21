/**
 * Authorization codes of a strict server: good once, for the client, redirect and PKCE verifier that they were issued
 * to (RFC 6749 section 4.1.3, RFC 7636 section 4.6).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { createHash, randomBytes } from "node:crypto"
import { refuse, type Refused, type Reply, violate } from "./VendorServer.js"

/**
 * What was authorized.
 *
 * @since 0.1.0
 * @category models
 */
export interface Authorized {
  readonly clientId: string
  readonly redirectUri: string
  readonly codeChallenge: string
  readonly scope: string
  readonly state: string
  readonly nonce: string
  readonly resource: string
}

/**
 * All codes of a server.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuthorizationCodes {
  readonly issue: (authorized: Authorized) => string
  /** Spends a code. `invalid` is the answer to one that cannot be spent. */
  readonly redeem: (
    code: string,
    client: { readonly clientId: string; readonly redirectUri: string; readonly codeVerifier: string },
    invalid: Reply
  ) => Effect.Effect<Authorized, Refused>
}

/**
 * The S256 challenge of a verifier.
 *
 * @since 0.1.0
 * @category getters
 */
export const challengeOf = (verifier: string): string => createHash("sha256").update(verifier).digest("base64url")

/**
 * Makes a server's memory of codes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (): AuthorizationCodes => {
  const codes = new Map<string, { readonly authorized: Authorized; used: boolean }>()
  return {
    issue: (authorized) => {
      const code = `ac_${randomBytes(24).toString("base64url")}`
      codes.set(code, { authorized, used: false })
      return code
    },
    redeem: (code, client, invalid) =>
      Effect.suspend(() => {
        const found = codes.get(code)
        if (found === undefined || found.used) return refuse(invalid)
        found.used = true
        const { authorized } = found
        if (client.clientId !== authorized.clientId) return violate("the code belongs to another client", invalid)
        if (client.redirectUri !== authorized.redirectUri) {
          return violate(`redirect_uri is ${client.redirectUri}, not the authorized one`, invalid)
        }
        return challengeOf(client.codeVerifier) === authorized.codeChallenge
          ? Effect.succeed(authorized)
          : violate("code_verifier does not open the challenge", invalid)
      })
  }
}
