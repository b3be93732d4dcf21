/**
 * The person in front of a browser, who logs in as whom the test says and agrees to everything.
 */
import * as Effect from "effect/Effect"

const MAX_HOPS = 16

interface Page {
  readonly url: URL
  readonly status: number
  readonly text: string
}

/** One browser: it keeps cookies and follows redirects, up to an address that `stops` it. */
const makeBrowser = () => {
  const cookies = new Map<string, string>()
  const load = async (url: URL, init: RequestInit, stops: (url: URL) => boolean): Promise<Page> => {
    let location = url
    let next = init
    for (let hop = 0; hop < MAX_HOPS; hop++) {
      if (stops(location)) return { url: location, status: 0, text: "" }
      const response = await fetch(location, {
        ...next,
        redirect: "manual",
        headers: { ...next.headers, cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; ") }
      })
      for (const cookie of response.headers.getSetCookie()) {
        const pair = cookie.split(";", 1)[0]!
        cookies.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1))
      }
      const text = await response.text()
      const target = response.headers.get("location")
      if (target === null) return { url: location, status: response.status, text }
      location = new URL(target, location)
      next = {}
    }
    throw new Error("redirected for ever")
  }
  return { load }
}

const isLoopbackCallback = (url: URL): boolean => url.pathname === "/callback"

/** Logs in as an account and answers with the address that the browser is sent back to, which is not loaded. */
export const authorize = (address: string, account: string): Effect.Effect<URL> =>
  Effect.promise(async () => {
    const url = new URL(address)
    // The server of the tests asks no person: it takes this for the name that was typed.
    url.searchParams.set("login_hint", account)
    return (await makeBrowser().load(url, {}, isLoopbackCallback)).url
  })

/** Opens an address as a browser does, and says what it shows. */
export const visit = (url: URL): Effect.Effect<{ readonly status: number; readonly text: string }> =>
  Effect.promise(() => makeBrowser().load(url, {}, () => false))

/** Agrees on another device to a device grant whose address holds the code. */
export const agree = (address: string): Effect.Effect<void> =>
  Effect.promise(async () => {
    const { load } = makeBrowser()
    const url = new URL(address)
    const page = await load(url, {}, () => false)
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(page.text)?.[1] ?? ""
    const form = { xsrf, user_code: url.searchParams.get("user_code") ?? "", confirm: "yes" }
    const action = new URL(url.pathname, url)
    const done = await load(action, { method: "POST", body: new URLSearchParams(form) }, () => false)
    if (done.status !== 200) throw new Error(`the server did not accept the consent: HTTP ${done.status}`)
  })
