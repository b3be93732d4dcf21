/**
 * Opens a connection to a server: TCP, the tunnel of a proxy where there is one, TLS with the certificate verified. Until
 * it stands, not a byte of the request exists on the wire, so that whatever fails in here was never sent.
 *
 * @since 0.1.0
 */
import type * as Http from "node:http"
import type * as Net from "node:net"
import type { Duplex } from "node:stream"
import type * as Tls from "node:tls"
import * as ConnectFailure from "./ConnectFailure.js"
import { portOf } from "./ProxyEnvironment.js"

/**
 * The modules of Node that are needed. TLS is loaded for https alone.
 *
 * @since 0.1.0
 * @category models
 */
export interface Modules {
  readonly http: typeof Http
  readonly net: typeof Net
  readonly tls: () => Promise<{ readonly connect: (typeof Tls)["connect"]; readonly context: Tls.SecureContext }>
}

/**
 * A connection that is being opened.
 *
 * @since 0.1.0
 * @category models
 */
export interface Opening {
  /** Rejects with a {@link ConnectFailure}. */
  readonly socket: Promise<Duplex>
  /** What is waited for at the moment, as it would be missed. */
  readonly missing: () => string
  readonly abort: () => void
}

/** The longest header of an answer to CONNECT. */
const HEADER_LIMIT = 64 * 1024

const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, "")

const authorityOf = (url: URL): string => `${url.hostname}:${portOf(url)}`

/** Basic (RFC 7617), from the address. */
const credentialsOf = ({ password, username }: URL): Record<string, string> => {
  if (username === "") return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { "proxy-authorization": `Basic ${Buffer.from(pair).toString("base64")}` }
}

/** Waits for what says that a step is done; whatever ends the socket before it is a failure. */
const until = (socket: Duplex, event: string, failure: (error: unknown) => Error): Promise<void> =>
  new Promise((resolve, reject) => {
    const settle = (end: () => void) => {
      socket.off(event, done).off("error", failed).off("close", closed)
      end()
    }
    const done = () => settle(resolve)
    const failed = (error: unknown) => settle(() => reject(failure(error)))
    const closed = () => settle(() => reject(failure(undefined)))
    socket.on(event, done).on("error", failed).on("close", closed)
  })

/**
 * Begins to open a connection.
 *
 * @since 0.1.0
 * @category constructors
 */
export const open = (modules: Modules, url: URL, proxy: URL | undefined): Opening => {
  let missing = "no connection"
  let isAborted = false
  const held = new Set<Duplex>()
  const hold = <A extends Duplex>(socket: A): A => {
    held.add(socket)
    // An error that comes when nothing waits any more is told by the end of the socket.
    socket.on("error", () => undefined)
    if (isAborted) socket.destroy()
    return socket
  }

  const connect = async (to: URL, peer: ConnectFailure.Peer): Promise<Duplex> => {
    missing = peer === "proxy" ? "no connection to the proxy" : "no connection"
    const socket = hold(modules.net.connect({ host: hostOf(to), port: portOf(to) }))
    await until(socket, "connect", (error) => ConnectFailure.unreachable(peer, error))
    return socket
  }

  const secure = async (under: Duplex, to: URL, peer: ConnectFailure.Peer): Promise<Duplex> => {
    missing = peer === "proxy" ? "no TLS handshake with the proxy" : "no TLS handshake"
    const { connect: begin, context: secureContext } = await modules.tls()
    const host = hostOf(to)
    const socket = hold(begin({
      socket: under,
      host,
      // RFC 6066: a name, never an address.
      ...modules.net.isIP(host) === 0 ? { servername: host } : {},
      secureContext,
      ALPNProtocols: ["http/1.1"]
    }))
    await until(
      socket,
      "secureConnect",
      (error) => ConnectFailure.insecure(peer, Boolean(socket.authorizationError), error)
    )
    return socket
  }

  const tunnel = (under: Duplex, through: URL): Promise<Duplex> => {
    missing = "no tunnel through the proxy"
    return new Promise((resolve, reject) => {
      const request = modules.http.request({
        createConnection: () => under as Net.Socket,
        method: "CONNECT",
        path: authorityOf(url),
        headers: { host: authorityOf(url), ...credentialsOf(through) },
        maxHeaderSize: HEADER_LIMIT,
        insecureHTTPParser: true
      })
      request.once("connect", ({ statusCode = 0 }, _, head: Buffer) => {
        if (statusCode < 200 || statusCode > 299) return reject(ConnectFailure.refused({ status: statusCode }))
        if (head.byteLength > 0) under.unshift(head)
        resolve(under)
      })
      request.on("error", (error) => reject(ConnectFailure.refused({ error })))
      request.once("close", () => reject(ConnectFailure.refused({ error: undefined })))
      request.end()
    })
  }

  const run = async (): Promise<Duplex> => {
    let socket = await connect(proxy ?? url, proxy === undefined ? "server" : "proxy")
    if (proxy !== undefined) {
      if (proxy.protocol === "https:") socket = await secure(socket, proxy, "proxy")
      socket = await tunnel(socket, proxy)
    }
    return url.protocol === "https:" ? secure(socket, url, "server") : socket
  }

  return {
    socket: run(),
    missing: () => missing,
    abort: () => {
      isAborted = true
      for (const socket of held) socket.destroy()
    }
  }
}
