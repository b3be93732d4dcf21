/**
 * One port of this machine, on both of its loopback addresses and on no other.
 *
 * A process that has the other address of the same port would get what the browser sends to `localhost`, which names
 * both. So a port counts as taken when either is.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as BoundedServer from "./BoundedServer.js"

/** Milliseconds within which a request must have arrived: who connects and says nothing takes no place for long. */
const HEADERS_TIMEOUT = 5_000

/**
 * One short request per connection: a login callback.
 *
 * @since 0.1.0
 * @category constants
 */
export const BRIEF: BoundedServer.Settings = {
  http: {
    // Bytes of request line and headers. Cookies of a host go to each of its ports, so that a browser brings those of every
    // program that ever listened on this machine: 64 KiB of them, and the code.
    maxHeaderSize: 81_920,
    headersTimeout: HEADERS_TIMEOUT,
    requestTimeout: HEADERS_TIMEOUT,
    connectionsCheckingInterval: 1_000
  },
  maxConnections: 32,
  maxStrangers: 32,
  maxRequestsPerSocket: 1,
  answersExpectation: false
}

/** Tries: one address of a free port may be taken by chance. */
const ATTEMPTS = 10

const ABSENT = ["EADDRNOTAVAIL", "EAFNOSUPPORT", "EPROTONOSUPPORT"]

/**
 * A port that is open, with its server on each loopback address.
 *
 * @since 0.1.0
 * @category models
 */
export interface OpenPort {
  readonly port: number
  readonly servers: ReadonlyArray<Http.Server>
}

/**
 * Closes a port at once, with every connection.
 *
 * @since 0.1.0
 * @category combinators
 */
export const closeAll = ({ servers }: OpenPort): Effect.Effect<void> =>
  Effect.forEach(servers, BoundedServer.close, { discard: true, concurrency: "unbounded" })

/** Fails with an errno. */
const bind = (
  host: "127.0.0.1" | "::1",
  port: number,
  handle: BoundedServer.Handler,
  settings: BoundedServer.Settings
): Effect.Effect<Http.Server, string> =>
  Effect.suspend(() => {
    const server = BoundedServer.make(handle, settings)
    return Effect.as(BoundedServer.listen(server, { host, port, exclusive: true, ipv6Only: host === "::1" }), server)
  })

/** `None` where the port is taken on either address. */
const openBoth = (
  port: number,
  handle: BoundedServer.Handler,
  settings: BoundedServer.Settings
): Effect.Effect<Option.Option<OpenPort>> =>
  Effect.matchEffect(bind("127.0.0.1", port, handle, settings), {
    onFailure: () => Effect.succeedNone,
    onSuccess: (first) => {
      const bound = (first.address() as AddressInfo).port
      return Effect.matchEffect(bind("::1", bound, handle, settings), {
        onSuccess: (second) => Effect.succeedSome({ port: bound, servers: [first, second] }),
        onFailure: (code) =>
          ABSENT.includes(code)
            ? Effect.succeedSome({ port: bound, servers: [first] })
            : Effect.as(BoundedServer.close(first), Option.none())
      })
    }
  })

const firstFree = (ports: ReadonlyArray<number>, handle: BoundedServer.Handler, settings: BoundedServer.Settings) =>
  Effect.gen(function*() {
    for (const port of ports.flatMap((one) => one === 0 ? Array.from({ length: ATTEMPTS }, () => 0) : [one])) {
      const open = yield* openBoth(port, handle, settings)
      if (Option.isSome(open)) return open
    }
    return Option.none<OpenPort>()
  })

/**
 * Opens the first port that is free until the scope ends; 0 is any. `None` where all are taken.
 *
 * @since 0.1.0
 * @category constructors
 */
export const open = (
  ports: ReadonlyArray<number>,
  handle: BoundedServer.Handler,
  beforeClose: Effect.Effect<void>,
  settings: BoundedServer.Settings = BRIEF
): Effect.Effect<Option.Option<OpenPort>, never, Scope.Scope> =>
  Effect.acquireRelease(
    firstFree(ports, handle, settings),
    Option.match({ onNone: () => Effect.void, onSome: (port) => Effect.zipRight(beforeClose, closeAll(port)) })
  )
