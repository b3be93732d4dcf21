/**
 * What GitHub's own programs ask of GitHub, on loopback: its names lead here through a proxy that every request goes
 * through, and the programs trust the certificate of this machine.
 */
import * as LoopbackProxy from "@lockstep/testkit/servers/LoopbackProxy"
import * as SelfSignedCertificate from "@lockstep/testkit/servers/SelfSignedCertificate"
import * as Effect from "effect/Effect"
import type { IncomingMessage } from "node:http"
import * as Recipe from "./recipe.js"

/** What a request brought: the host that it was for, the path, and the token. */
export interface Seen {
  readonly host: string
  readonly path: string
  readonly token: string
}

export const USER = "octocat"

const answerTo = (path: string, token: string): unknown => {
  switch (path) {
    case "/login/device/code":
      return {
        device_code: "device",
        user_code: "ABCD-1234",
        verification_uri: "https://github.com/login/device",
        expires_in: 900,
        interval: 1
      }
    case "/login/oauth/access_token":
      return { access_token: token, token_type: "bearer", scope: "read:user" }
    case "/user":
      return { login: USER, id: 1 }
    case "/graphql":
      return { data: { viewer: { login: USER } } }
    case "/copilot_internal/user":
      return {
        login: USER,
        copilot_plan: "individual",
        chat_enabled: true,
        endpoints: { api: "https://api.githubcopilot.com" }
      }
    case "/copilot_internal/v2/token":
      return { token: "tid=lockstep;exp=9999999999", expires_at: 9_999_999_999, refresh_in: 1500 }
    default:
      return { message: "Not Found" }
  }
}

const tokenOf = ({ headers }: IncomingMessage): string =>
  (headers.authorization ?? "").replace(/^(?:bearer|token) /i, "")

/** Gives this token to whom logs in. */
export const make = (token: string) =>
  Effect.gen(function*() {
    const certificate = SelfSignedCertificate.make("github.com", "api.github.com", "api.githubcopilot.com")
    const requests: Array<Seen> = []
    const port = yield* Recipe.serve((request, response) => {
      const path = new URL(request.url ?? "/", "https://x").pathname.replace(/^\/api\/v3/, "")
      requests.push({ host: request.headers.host ?? "", path, token: tokenOf(request) })
      const answer = answerTo(path === "/" ? "/user" : path, token)
      request.resume().on("end", () =>
        response.writeHead("message" in (answer as object) ? 404 : 200, {
          "content-type": "application/json",
          "x-oauth-scopes": "repo, read:org, gist, read:user"
        }).end(JSON.stringify(answer)))
    }, certificate)
    const { url } = yield* LoopbackProxy.make({ port })
    return {
      requests,
      certificate,
      /** Every request goes to it. `authority` is a file with its certificate. */
      environment: (authority: string): Readonly<Record<string, string>> => ({
        HTTP_PROXY: url,
        HTTPS_PROXY: url,
        ALL_PROXY: url,
        http_proxy: url,
        https_proxy: url,
        NO_PROXY: "",
        no_proxy: "",
        NODE_EXTRA_CA_CERTS: authority,
        SSL_CERT_FILE: authority
      })
    }
  })
