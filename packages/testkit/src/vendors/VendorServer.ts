/**
 * A vendor's servers, all of them on one loopback socket. A request is told where the public address is really served,
 * and is routed by method and public address; whatever no client of this vendor should send is answered as the vendor
 * answers an error, and written down as a violation.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import type * as Net from "node:net"
import { readBody } from "../internal/formRequest.js"

/**
 * A request as it arrived. Tokens are fake.
 *
 * @since 0.1.0
 * @category models
 */
export interface VendorRequest {
  readonly method: string
  /** The public address, without its query. */
  readonly url: string
  readonly query: URLSearchParams
  readonly headers: Http.IncomingHttpHeaders
  readonly body: string
}

/**
 * What goes back.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/**
 * Makes a reply with a JSON body.
 *
 * @since 0.1.0
 * @category constructors
 */
export const json = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body)
})

/**
 * Makes a reply with text.
 *
 * @since 0.1.0
 * @category constructors
 */
export const text = (status: number, body: string, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status,
  headers: { "content-type": "text/plain", ...headers },
  body
})

/**
 * A request that the vendor refuses. With a `violation` it is one that no client should have sent.
 *
 * @since 0.1.0
 * @category errors
 */
export class Refused extends Data.TaggedError("Refused")<{
  readonly reply: Reply
  readonly violation: Option.Option<string>
}> {}

/**
 * Refuses what a good client may send: a code that is used up, a token that is dead.
 *
 * @since 0.1.0
 * @category constructors
 */
export const refuse = (reply: Reply): Effect.Effect<never, Refused> => new Refused({ reply, violation: Option.none() })

/**
 * Refuses what breaks the wire rules.
 *
 * @since 0.1.0
 * @category constructors
 */
export const violate = (violation: string, reply: Reply): Effect.Effect<never, Refused> =>
  new Refused({ reply, violation: Option.some(violation) })

/**
 * Answers one kind of request.
 *
 * @since 0.1.0
 * @category models
 */
export type Route = (request: VendorRequest) => Effect.Effect<Reply, Refused>

/**
 * By method and public address: `POST https://vendor.example/token`.
 *
 * @since 0.1.0
 * @category models
 */
export type Routes = Readonly<Record<string, Route>>

/**
 * A running server. The lists grow while it runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface VendorServer {
  /** Where a public address is served. Every address has a place, also one that this vendor does not have. */
  readonly locate: (url: string) => string
  readonly requests: ReadonlyArray<VendorRequest>
  /** What no client should have sent, in words. */
  readonly violations: ReadonlyArray<string>
}

const SCHEMES: ReadonlyMap<string, string> = new Map([["https:", "https"], ["http:", "http"]])

/** `/https/auth.vendor.example/token?a=b` back to its public address. */
const publicUrl = (path: string): URL => {
  const [, scheme = "", host = "", ...rest] = path.split("/")
  return new URL(`${scheme}://${host}/${rest.join("/")}`)
}

/**
 * Starts a server on a free port of 127.0.0.1; it ends with the scope, and with it every connection.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (routes: Routes): Effect.Effect<VendorServer, never, Scope.Scope> =>
  Effect.gen(function*() {
    const requests: Array<VendorRequest> = []
    const violations: Array<string> = []
    let origin = ""

    const answer = async (incoming: Http.IncomingMessage): Promise<Reply> => {
      const asked = publicUrl(incoming.url ?? "/")
      const request: VendorRequest = {
        method: incoming.method ?? "",
        url: `${asked.origin}${asked.pathname}`,
        query: asked.searchParams,
        headers: incoming.headers,
        body: await readBody(incoming)
      }
      requests.push(request)
      const name = `${request.method} ${request.url}`
      const route = Object.hasOwn(routes, name) ? routes[name] : undefined
      const reply = route === undefined
        ? violate("there is no such endpoint", json(404, { error: "not_found" }))
        : route(request)
      return Effect.runPromise(
        Effect.catchAll(reply, (refused) =>
          Effect.sync(() => {
            if (Option.isSome(refused.violation)) violations.push(`${name}: ${refused.violation.value}`)
            return refused.reply
          }))
      )
    }

    const server = Http.createServer((incoming, outgoing) => {
      answer(incoming).then(({ body, headers, status }) => {
        outgoing.writeHead(status, headers)
        outgoing.end(body)
      }, () => incoming.socket.destroy())
    })
    const listening = yield* Deferred.make<void>()
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        server.listen(0, "127.0.0.1", () => {
          origin = `http://127.0.0.1:${(server.address() as Net.AddressInfo).port}`
          Deferred.unsafeDone(listening, Effect.void)
        })
      ),
      () =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    )
    yield* Deferred.await(listening)

    return {
      locate: (url) => {
        const { host, pathname, protocol, search } = new URL(url)
        return `${origin}/${SCHEMES.get(protocol) ?? "unknown"}/${host}${pathname}${search}`
      },
      requests,
      violations
    }
  })
