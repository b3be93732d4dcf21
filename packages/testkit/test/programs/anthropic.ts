/**
 * What Claude Code asks of its vendor, on loopback: the vendor's names lead here through a proxy, its tokens come from the
 * strict server of the tests, and its models say one thing.
 */
import * as LoopbackProxy from "@lockstep/testkit/servers/LoopbackProxy"
import * as SelfSignedCertificate from "@lockstep/testkit/servers/SelfSignedCertificate"
import * as Effect from "effect/Effect"
import { writeFileSync } from "node:fs"
import type { IncomingMessage, ServerResponse } from "node:http"
import * as Recipe from "./recipe.js"
import type * as Stage from "./stage.js"

const MESSAGE = {
  id: "m",
  type: "message",
  role: "assistant",
  model: "claude-opus-4-1",
  content: [],
  stop_reason: null
}

/** What the model says. */
export const WORDS = "hello there"

/** The stream of one short answer of a model. */
export const ANSWER = [
  { type: "message_start", message: { ...MESSAGE, usage: { input_tokens: 1, output_tokens: 1 } } },
  { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: WORDS } },
  { type: "content_block_stop", index: 0 },
  { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 2 } },
  { type: "message_stop" }
].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("")

const SCOPE = "user:inference user:profile"

const JSON_TYPE = { "content-type": "application/json" }

const REFUSED = JSON.stringify({ type: "error", error: { type: "authentication_error", message: "no" } })

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString("utf8")
}

export const make = (stage: Stage.Stage) =>
  Effect.gen(function*() {
    const { server } = stage
    const certificate = SelfSignedCertificate.make("platform.claude.com", "console.anthropic.com", "api.anthropic.com")
    const authority = stage.path("ca.pem")
    writeFileSync(authority, certificate.cert)
    /** The tokens of the requests that a model answered. */
    const answered: Array<string> = []

    const redeem = async (request: IncomingMessage, response: ServerResponse) => {
      const asked = JSON.parse(await bodyOf(request)) as { readonly refresh_token: string }
      const { body, status } = await Effect.runPromise(server.refresh(asked.refresh_token))
      // Claude Code asks no model with a token that has not the scope for it.
      const granted = status === 200 ? { ...body, scope: SCOPE } : body
      response.writeHead(status, JSON_TYPE).end(JSON.stringify(granted))
    }

    const ask = async (request: IncomingMessage, response: ServerResponse) => {
      await bodyOf(request)
      // pi tells a login from a key by how the token begins, and the tests' server begins its own in no such way.
      const key = request.headers["x-api-key"]
      const token = (request.headers.authorization ?? String(key ?? "")).replace(/^Bearer /, "")
      const { active } = await Effect.runPromise(server.introspect(token))
      if (!active) return void response.writeHead(401, JSON_TYPE).end(REFUSED)
      answered.push(token)
      response.writeHead(200, { "content-type": "text/event-stream" }).end(ANSWER)
    }

    const port = yield* Recipe.serve((request, response) => {
      const { pathname } = new URL(request.url ?? "/", "https://x")
      const served = pathname === "/v1/oauth/token"
        ? redeem(request, response)
        : pathname === "/v1/messages"
        ? ask(request, response)
        : Promise.resolve(void response.writeHead(404, JSON_TYPE).end("{}"))
      void served.catch(() => response.destroy())
    }, certificate)
    const { url } = yield* LoopbackProxy.make({ port })
    return {
      answered,
      environment: {
        HTTP_PROXY: url,
        HTTPS_PROXY: url,
        ALL_PROXY: url,
        http_proxy: url,
        https_proxy: url,
        NO_PROXY: "",
        no_proxy: "",
        NODE_EXTRA_CA_CERTS: authority,
        SSL_CERT_FILE: authority
      } as Readonly<Record<string, string>>
    }
  })
