/**
 * A request that is ready to be sent. Those of a login are built by oauth4webapi, those of a refresh by a few lines: loading
 * it, and the global `Headers` and `Response` that it touches, would cost a command more than everything else that it does.
 * Sending, and reading what comes back, is ours: a strict reader throws away a rotated token in an answer that it dislikes.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as OAuth from "oauth4webapi"
import type { ClientAuth } from "./ClientAuth.js"
import type { BodyEncoding } from "./OAuthVendor.js"
import * as Spelling from "./Spelling.js"

/**
 * Everything that goes on the wire. Headers and body hold secrets.
 *
 * @since 0.1.0
 * @category models
 */
export class WireRequest extends Data.Class<{
  readonly url: string
  readonly method: string
  readonly headers: Redacted.Redacted<Record<string, string>>
  readonly body: Redacted.Redacted<string | undefined>
}> {}

/**
 * oauth4webapi refused to build the request.
 *
 * @since 0.1.0
 * @category errors
 */
export class RequestNotBuilt extends Data.TaggedError("RequestNotBuilt")<{ readonly detail: string }> {}

/** What oauth4webapi hands to its `customFetch`. */
interface Built {
  readonly method: string
  readonly headers: Record<string, string>
  readonly body?: unknown
}

type CaptureFetch = (url: string, built: Built) => Promise<Response>

const codeOf = (cause: unknown): string => {
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined
  return typeof code === "string" && /^[A-Z_]{1,64}$/.test(code) ? code : "invalid request"
}

/**
 * Lets oauth4webapi build a request and takes it instead of sending it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const capture = (
  build: (customFetch: CaptureFetch) => Promise<unknown>
): Effect.Effect<WireRequest, RequestNotBuilt> =>
  Effect.flatMap(
    Effect.tryPromise({
      try: async () => {
        let taken: WireRequest | undefined
        await build((url, { body, headers, method }) => {
          taken = new WireRequest({
            url,
            method,
            headers: Redacted.make(headers),
            body: Redacted.make(body instanceof URLSearchParams ? body.toString() : undefined)
          })
          return Promise.resolve(new Response(null, { status: 204 }))
        })
        return taken
      },
      // The error can hold the request, and with it the token.
      catch: (cause) => new RequestNotBuilt({ detail: codeOf(cause) })
    }),
    (taken) => taken === undefined ? new RequestNotBuilt({ detail: "invalid request" }) : Effect.succeed(taken)
  )

/**
 * Makes the form of RFC 6749 (appendix B) with a client's proof, which may have to be signed. The address is one that was
 * checked.
 *
 * @since 0.1.0
 * @category constructors
 */
export const form = (options: {
  readonly url: string
  readonly parameters: Readonly<Record<string, string>>
  /** Whom a signed proof is for. */
  readonly server: OAuth.AuthorizationServer
  readonly headers: Readonly<Record<string, string>>
  readonly client: { readonly client_id: string }
  readonly clientAuth: ClientAuth
}): Effect.Effect<WireRequest, RequestNotBuilt> => {
  const headers: Record<string, string> = {
    ...options.headers,
    "accept": "application/json",
    "content-type": "application/x-www-form-urlencoded;charset=UTF-8"
  }
  const body = new URLSearchParams(options.parameters)
  return Effect.map(
    Effect.tryPromise({
      try: async () =>
        options.clientAuth(options.server, options.client, body, {
          set: (name, value) => {
            headers[name] = value
          }
        }),
      // The error can hold the proof.
      catch: (cause) => new RequestNotBuilt({ detail: codeOf(cause) })
    }),
    () =>
      new WireRequest({
        url: options.url,
        method: "POST",
        headers: Redacted.make(headers),
        body: Redacted.make(body.toString())
      })
  )
}

/**
 * Writes the parameters as the vendor wants them. The spelling is that of JSON; a form is RFC 6749's.
 *
 * @since 0.1.0
 * @category combinators
 */
export const encode = (self: WireRequest, encoding: BodyEncoding, spelling: Spelling.Spelling): WireRequest => {
  const body = Redacted.value(self.body)
  if (encoding === "form" || body === undefined) return self
  const members = Spelling.toWire(spelling, Object.fromEntries(new URLSearchParams(body)))
  return new WireRequest({
    ...self,
    headers: Redacted.make({ ...Redacted.value(self.headers), "content-type": "application/json" }),
    body: Redacted.make(JSON.stringify(members))
  })
}
