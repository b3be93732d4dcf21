const MAX_REDIRECTS = 12

/**
 * Follows an authorization request as a browser does, with cookies, until it is sent back to the client. The person in
 * front of it agrees to everything.
 */
export const authorize = async (request: URL, redirectUri: string): Promise<URL> => {
  const cookies = new Map<string, string>()
  let location = request
  for (let hop = 0; hop < MAX_REDIRECTS; hop++) {
    const response = await fetch(location, {
      redirect: "manual",
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; ") }
    })
    await response.arrayBuffer()
    for (const cookie of response.headers.getSetCookie()) {
      const pair = cookie.split(";", 1)[0]!
      cookies.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1))
    }
    const next = response.headers.get("location")
    if (next === null) throw new Error(`the authorization request ended with HTTP ${response.status}`)
    location = new URL(next, location)
    if (location.href.startsWith(`${redirectUri}?`)) return location
  }
  throw new Error("the authorization request was redirected for ever")
}
