/**
 * What a token may be made of where it leaves as text: in a header field, on a line, in a variable.
 *
 * A server may issue anything, and what it issued is stored as it came. But a line break in a token is a second header
 * field, a second line of a credential helper's answer, a second command of a shell that reads a file.
 *
 * @since 0.1.0
 */

/** RFC 6749, A.12: VSCHAR only. */
const TOKEN = /^[\u0020-\u007e]+$/

/** What stands before it in a header field is a scheme (RFC 9110 §11.1). */
const SCHEME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/**
 * What of a token cannot leave.
 *
 * @since 0.1.0
 * @category models
 */
export type Fault = "access token" | "token type"

/**
 * Whether a token can leave as text.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isToken = (token: string): boolean => TOKEN.test(token)

/**
 * Says what keeps a token out of a header field, if anything does.
 *
 * @since 0.1.0
 * @category getters
 */
export const faultOf = (token: string, tokenType: string): Fault | undefined =>
  !isToken(token) ? "access token" : SCHEME.test(tokenType) ? undefined : "token type"
