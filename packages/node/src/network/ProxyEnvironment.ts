/**
 * Which proxy leads to an address: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, by the rules of undici's
 * `EnvHttpProxyAgent`, which serves the requests that stream.
 *
 * @since 0.1.0
 */
import * as LoopbackAddress from "@lockstep/core/LoopbackAddress"
import * as Data from "effect/Data"
import * as Either from "effect/Either"

/**
 * A variable holds what is no proxy's address. Its value may hold a password, and is not repeated.
 *
 * @since 0.1.0
 * @category errors
 */
export class ProxyAddressRefused extends Data.TaggedError("ProxyAddressRefused")<{ readonly detail: string }> {}

/**
 * The way to an address: through a proxy, or `undefined` for the direct one.
 *
 * @since 0.1.0
 * @category models
 */
export type ProxyRules = (url: URL) => URL | undefined

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Whether an address is one of this machine's own.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isLoopback = (url: string): boolean => LoopbackAddress.isLoopback(new URL(url).hostname)

/** The name in lower case comes first, also when it is empty: that is how a proxy is turned off. */
const variable = (env: Environment, name: string): string => env[name] ?? env[name.toUpperCase()] ?? ""

const PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 }

/**
 * Reads the port that an address leads to.
 *
 * @since 0.1.0
 * @category getters
 */
export const portOf = (url: URL): number => Number(url.port) || (PORTS[url.protocol] ?? 0)

interface Exception {
  readonly host: string
  /** 0 is any. */
  readonly port: number
}

const exceptionsIn = (text: string): ReadonlyArray<Exception> =>
  text.split(/[,\s]/).filter((entry) => entry !== "").map((entry) => {
    const [, host = entry, port = "0"] = /^(.+):(\d+)$/.exec(entry) ?? []
    return { host: host.replace(/^\*?\./, "").toLowerCase(), port: Number(port) }
  })

const parse = (text: string): Either.Either<URL | undefined, ProxyAddressRefused> => {
  if (text === "") return Either.right(undefined)
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url !== undefined && url.protocol in PORTS && url.hostname !== ""
    ? Either.right(url)
    : Either.left(new ProxyAddressRefused({ detail: "HTTPS_PROXY or HTTP_PROXY is not the address of a proxy" }))
}

/**
 * Reads the rules of an environment.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = (env: Environment): Either.Either<ProxyRules, ProxyAddressRefused> =>
  Either.gen(function*() {
    const plain = yield* parse(variable(env, "http_proxy"))
    const secure = (yield* parse(variable(env, "https_proxy"))) ?? plain
    const none = variable(env, "no_proxy")
    const exceptions = exceptionsIn(none)
    return (url) => {
      // This machine is never reached through a proxy: plain http is allowed to it, and would leave it in the clear.
      if (isLoopback(url.href) || none === "*") return undefined
      // Brackets of an IPv6 address are kept, as those who write NO_PROXY keep them.
      const host = url.host.replace(/:\d*$/, "").toLowerCase()
      const isException = exceptions.some((one) =>
        (one.port === 0 || one.port === portOf(url)) && (host === one.host || host.endsWith(`.${one.host}`))
      )
      return isException ? undefined : url.protocol === "https:" ? secure : plain
    }
  })
