/**
 * Tokens that say something, and that cannot be verified.
 *
 * @since 0.1.0
 */
const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url")

/**
 * Makes a JWT without a signature.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (claims: Readonly<Record<string, unknown>>): string =>
  `${part({ alg: "RS256", typ: "JWT" })}.${part(claims)}.${Buffer.from("unsigned").toString("base64url")}`

/**
 * The `jti` of a token made here, or the token itself where it is no JWT.
 *
 * @since 0.1.0
 * @category getters
 */
export const idOf = (token: string): string => {
  const parts = token.split(".")
  if (parts.length !== 3) return token
  const claims = JSON.parse(Buffer.from(parts[1]!, "base64url").toString()) as { readonly jti?: string }
  return claims.jti ?? token
}
