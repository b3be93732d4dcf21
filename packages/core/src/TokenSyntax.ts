/**
 * What a token may be made of where it leaves as text: in a header field, on a line, in a variable.
 *
 * A server may issue anything, and what it issued is stored as it came. But a line break in a token is a second header
 * field, a second line of a credential helper's answer, a second command of a shell that reads a file.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"
import type { AccessToken } from "./AccessToken.js"

/** RFC 6749, A.12: VSCHAR only. */
const TOKEN = /^[\u0020-\u007e]+$/

/** What stands before it is a scheme (RFC 9110 §11.1). */
const SCHEME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/**
 * What of a token cannot leave.
 *
 * @since 0.1.0
 * @category models
 */
export type Fault = "access token" | "token type"

/**
 * Says what of a token cannot leave as text, if anything.
 *
 * @since 0.1.0
 * @category getters
 */
export const faultOf = ({ token, tokenType }: Pick<AccessToken, "token" | "tokenType">): Fault | undefined =>
  !TOKEN.test(Redacted.value(token)) ? "access token" : SCHEME.test(tokenType) ? undefined : "token type"
