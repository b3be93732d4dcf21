/**
 * The way to an origin: direct, or through the proxy that the environment names, which opens a tunnel (RFC 9110 §9.3.6) and
 * never sees what goes through it.
 *
 * @since 0.1.0
 */
import { isLoopback } from "@lockstep/node/network/ProxyEnvironment"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Http from "node:http"
import * as Https from "node:https"
import type { Duplex } from "node:stream"

/**
 * A variable names a proxy by what is no address. Its value is not told: it may hold a password.
 *
 * @since 0.1.0
 * @category errors
 */
export class ProxyAddressInvalid extends Data.TaggedError("ProxyAddressInvalid")<{}> {
  override get message(): string {
    return "HTTPS_PROXY or HTTP_PROXY is not the address of a proxy"
  }
  get advice(): string {
    return "correct or unset that setting"
  }
}

/**
 * A way to an origin.
 *
 * @since 0.1.0
 * @category models
 */
export type Route = Data.TaggedEnum<{
  Direct: {}
  Tunnel: { readonly proxy: URL; readonly authorization: Redacted.Redacted | undefined }
}>

/**
 * Constructors of {@link Route}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const Route = Data.taggedEnum<Route>()

type Environment = Readonly<Record<string, string | undefined>>

/** The lower-case name counts first, as with curl. */
const variable = (env: Environment, name: string): string | undefined => env[name.toLowerCase()] ?? env[name]

const isExempt = (target: URL, list: string): boolean => {
  const port = target.port === "" ? (target.protocol === "https:" ? "443" : "80") : target.port
  const host = target.hostname.toLowerCase()
  return list.split(/[,\s]+/).filter((entry) => entry !== "").some((entry) => {
    if (entry === "*") return true
    const [, name = entry, only] = /^(.+):(\d+)$/.exec(entry) ?? []
    const suffix = name.toLowerCase().replace(/^\*?\./, "")
    return (only === undefined || only === port) && (host === suffix || host.endsWith(`.${suffix}`))
  })
}

/** What stands before the `@`, as the proxy is told it. */
const credentialsOf = ({ password, username }: URL): Redacted.Redacted | undefined =>
  username === "" && password === ""
    ? undefined
    : Redacted.make(
      `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64")}`
    )

/**
 * Finds the way to an origin in `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`. This machine is never reached through a proxy:
 * plain http is allowed to it, and would leave it in the clear.
 *
 * @since 0.1.0
 * @category constructors
 */
export const routeTo = (target: URL, env: Environment): Effect.Effect<Route, ProxyAddressInvalid> => {
  const named = variable(env, "HTTPS_PROXY") || variable(env, "HTTP_PROXY") || ""
  if (target.protocol === "http:" || isLoopback(target.href) || named === "") return Effect.succeed(Route.Direct())
  return Effect.try({
    try: () => {
      const proxy = new URL(named)
      if (!/^https?:$/.test(proxy.protocol)) throw new Error("a proxy is asked over http")
      const authorization = credentialsOf(proxy)
      return isExempt(target, variable(env, "NO_PROXY") ?? "") ? Route.Direct() : Route.Tunnel({ proxy, authorization })
    },
    catch: () => new ProxyAddressInvalid()
  })
}

/** The proxy opened no tunnel: nothing was sent to the upstream. */
class TunnelFailed extends Error {
  readonly code: "TUNNEL_REFUSED" | "CONNECT_TIMEOUT"
  constructor(code: TunnelFailed["code"]) {
    super(code)
    this.code = code
  }
}

/**
 * Asks a proxy for a tunnel to an origin.
 *
 * @since 0.1.0
 * @category constructors
 */
export const open = (
  { authorization, proxy }: Extract<Route, { readonly _tag: "Tunnel" }>,
  target: URL,
  timeout: number,
  done: (error: unknown, socket?: Duplex) => void
): void => {
  const authority = `${target.hostname}:${target.port === "" ? 443 : target.port}`
  const { request } = proxy.protocol === "https:" ? Https : Http
  const asked = request({
    agent: false,
    host: proxy.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: proxy.port === "" ? undefined : Number(proxy.port),
    method: "CONNECT",
    path: authority,
    headers: {
      Host: authority,
      ...(authorization === undefined ? {} : { "Proxy-Authorization": Redacted.value(authorization) })
    }
  })
  const timer = setTimeout(() => asked.destroy(new TunnelFailed("CONNECT_TIMEOUT")), timeout)
  let isDone = false
  const finish = (error: unknown, socket?: Duplex): void => {
    if (isDone) return
    isDone = true
    clearTimeout(timer)
    done(error, socket)
  }
  asked.on("error", finish)
  asked.on("connect", ({ statusCode = 0 }, socket, early) => {
    // TLS begins with us: a proxy that says something first is not one that only opens a way.
    if (statusCode >= 200 && statusCode < 300 && early.byteLength === 0) return finish(null, socket)
    socket.destroy()
    finish(new TunnelFailed("TUNNEL_REFUSED"))
  })
  asked.end()
}
