import { Account, Credential } from "@lockstep/core/Credential"
import * as JsonWebToken from "@lockstep/oauth/JsonWebToken"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { createHash, randomBytes } from "node:crypto"
import type { TokenEndpointResponse } from "../servers/AuthorizationServer.js"
import * as browser from "./browser.js"
import { SCOPE } from "./consent.js"

const subjectOf = (idToken: string): Option.Option<string> =>
  Option.flatMap(
    JsonWebToken.claims(idToken),
    ({ sub }) => typeof sub === "string" ? Option.some(sub) : Option.none()
  )

/**
 * Lets a person agree in a browser, and answers with what is left to do: to exchange the code, which is good once.
 * What is stored comes from the server's answer alone, the account too.
 */
export const begin = ({ account, clientId, issuer, redirectUri }: {
  readonly issuer: string
  readonly clientId: string
  readonly redirectUri: string
  readonly account: string
}) =>
  Effect.promise(async () => {
    const verifier = randomBytes(32).toString("base64url")
    const request = new URL(`${issuer}/auth`)
    request.search = new URLSearchParams({
      client_id: clientId,
      response_type: "code",
      redirect_uri: redirectUri,
      scope: SCOPE,
      prompt: "consent",
      login_hint: account,
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256"
    }).toString()
    const answer = await browser.authorize(request, redirectUri)
    const like = Credential.make({
      issuer: Option.some(issuer),
      tokenEndpoint: Option.some(`${issuer}/token`),
      revocationEndpoint: Option.some(`${issuer}/token/revocation`),
      clientId: Option.some(clientId)
    })
    const exchange = Effect.promise(async (signal) => {
      const response = await fetch(`${issuer}/token`, {
        method: "POST",
        signal,
        body: new URLSearchParams({
          grant_type: "authorization_code",
          client_id: clientId,
          redirect_uri: redirectUri,
          code: answer.searchParams.get("code") ?? "",
          code_verifier: verifier
        })
      })
      if (!response.ok) throw new Error(`the code was refused: HTTP ${response.status}`)
      const tokens = await response.json() as TokenEndpointResponse
      const now = Math.floor(Date.now() / 1_000)
      return Credential.make({
        ...like,
        accessToken: Option.some(Redacted.make(tokens.access_token)),
        refreshToken: Option.some(Redacted.make(tokens.refresh_token)),
        idToken: Option.some(Redacted.make(tokens.id_token)),
        tokenType: Option.some(tokens.token_type),
        scope: Option.some(tokens.scope),
        obtainedAt: Option.some(now),
        expiresAt: Option.some(now + tokens.expires_in),
        account: Option.map(subjectOf(tokens.id_token), (sub) => Account.make({ id: Option.some(sub) }))
      })
    })
    return { like, exchange: Effect.timeoutFail(exchange, { duration: "10 seconds", onTimeout: () => "no answer" }) }
  })
