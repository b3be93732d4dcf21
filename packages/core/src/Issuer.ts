/**
 * When two names of an authorization server are one.
 *
 * RFC 8414 and RFC 9207 compare issuers as text, and servers write the one without a path in two ways: `https://id.example`
 * in one document, `https://id.example/` in the other. RFC 3986 section 6.2.3 calls these the same address. With a path
 * they are two: `/a` and `/a/` may be two servers behind one gateway.
 *
 * @since 0.1.0
 */

/** An origin with nothing behind it but a slash, which `URL` writes in one way. */
const rootOf = (issuer: string): string | undefined => {
  if (!URL.canParse(issuer) || /[?#]/.test(issuer)) return undefined
  const { href, origin } = new URL(issuer)
  return href === `${origin}/` ? href : undefined
}

/**
 * Whether two issuers are one.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isSame = (self: string, that: string): boolean => {
  if (self === that) return true
  const root = rootOf(self)
  return root !== undefined && root === rootOf(that)
}
