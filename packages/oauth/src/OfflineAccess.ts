/**
 * Providers that give a refresh token only where it is asked for in words of their own, where OpenID Connect has a
 * scope for it. Without them a login lasts an hour.
 *
 * @since 0.1.0
 */

const BY_ORIGIN: ReadonlyMap<string, Readonly<Record<string, string>>> = new Map([
  // Google gives one at the first consent only, unless it is asked for a new one.
  ["https://accounts.google.com", { access_type: "offline", prompt: "consent" }],
  ["https://www.dropbox.com", { token_access_type: "offline" }],
  ["https://www.reddit.com", { duration: "permanent" }],
  ...["com", "eu", "in", "com.au", "jp"].map((top) =>
    [`https://accounts.zoho.${top}`, { access_type: "offline", prompt: "consent" }] as const
  )
])

/**
 * What an authorization endpoint wants to hear.
 *
 * @since 0.1.0
 * @category getters
 */
export const parametersFor = (authorizationEndpoint: string): Readonly<Record<string, string>> =>
  URL.canParse(authorizationEndpoint) ? BY_ORIGIN.get(new URL(authorizationEndpoint).origin) ?? {} : {}
