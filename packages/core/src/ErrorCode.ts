/**
 * The code of an error of Node's, such as `ECONNRESET`: what may be told of an error whose message may quote anything.
 *
 * @since 0.1.0
 */

// OpenSSL 3 has codes with a slash: ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE.
const CODE = /^[A-Z][A-Z0-9_/]{1,63}$/

/**
 * Takes a value for a code if it is written as one, and for nothing else.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (code: unknown): string | undefined =>
  typeof code === "string" && CODE.test(code) ? code : undefined

/**
 * Reads the code of an error, whatever was thrown.
 *
 * @since 0.1.0
 * @category getters
 */
export const of = (error: unknown): string | undefined =>
  typeof error === "object" && error !== null ? make((error as { readonly code?: unknown }).code) : undefined

/**
 * Writes a code in brackets after what happened; nothing where there is no code.
 *
 * @since 0.1.0
 * @category rendering
 */
export const inBrackets = (code: string | undefined): string => code === undefined ? "" : ` (${code})`
