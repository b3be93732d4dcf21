import * as ClientRegistrations from "@lockstep/core/ClientRegistrations"
import * as Credential from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import type { RedeemAnswer } from "@lockstep/core/TokenEndpoint"
import { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import * as Fetch from "@lockstep/oauth/Fetch"
import * as OAuthTokenEndpoint from "@lockstep/oauth/OAuthTokenEndpoint"
import type { RoundTripper } from "@lockstep/oauth/RoundTripper"
import * as VendorRegistry from "@lockstep/oauth/VendorRegistry"
import * as VendorSettings from "@lockstep/oauth/VendorSettings"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

/** What was really sent. */
export interface Sent {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** An answer of the network. */
export interface Reply {
  readonly status: number
  readonly body: unknown
}

/** A network that answers everything with one reply and keeps what it was sent. */
export const network = (reply: Reply): { readonly sent: Array<Sent>; readonly layer: Layer.Layer<RoundTripper> } => {
  const sent: Array<Sent> = []
  const layer = Fetch.layer(async (url, { body, headers, method }) => {
    sent.push({ method, url, headers, body: body === undefined ? "" : await new Response(body).text() })
    return new Response(JSON.stringify(reply.body), {
      status: reply.status,
      headers: { "content-type": "application/json" }
    })
  })
  return { sent, layer }
}

/** How the driver is set up. Nothing of this process's environment counts. */
export interface Setup {
  readonly environment?: Readonly<Record<string, string>>
  readonly settings?: Layer.Layer<VendorSettings.VendorSettings>
}

/** The driver of the built-in vendors over a network of its own. */
export const driver = (reply: Reply, { environment = {}, settings = VendorSettings.layerMemory }: Setup = {}) => {
  const { layer: fetch, sent } = network(reply)
  const layer = OAuthTokenEndpoint.layer.pipe(
    Layer.provide([fetch, VendorRegistry.layerBuiltIn, settings, ClientRegistrations.layerMemory])
  )
  const provider = ConfigProvider.fromMap(new Map(Object.entries(environment)))
  return {
    sent,
    run: <A, E>(effect: Effect.Effect<A, E, TokenEndpoint>) =>
      Effect.withConfigProvider(Effect.provide(effect, layer), provider)
  }
}

/** A record of a vendor as its login leaves it, with nothing in it that the descriptor knows. */
export const record = (
  vendor: string,
  rest: Partial<ConstructorParameters<typeof Credential.Credential>[0]> = {}
): Credential.Credential =>
  Credential.Credential.make({
    vendor: Option.some(vendor),
    accessToken: Option.some(Redacted.make("at-old")),
    refreshToken: Option.some(Redacted.make("rt-old")),
    ...rest
  })

/** Prepares and sends. */
export const redeem = (credential: Credential.Credential) =>
  Effect.flatMap(
    TokenEndpoint,
    (endpoint) =>
      Effect.flatMap(
        endpoint.prepare(TenantId.make("tenant"), credential),
        ({ redeem }) => redeem(Duration.seconds(15))
      )
  )

/** Revokes. */
export const revoke = (credential: Credential.Credential) =>
  Effect.flatMap(TokenEndpoint, (endpoint) => endpoint.revoke(TenantId.make("tenant"), credential))

/** A grant as plain data. */
export const granted = (answer: RedeemAnswer) => {
  if (answer._tag !== "Granted") return { _tag: answer._tag, detail: answer.detail }
  const { accessToken, account, expiresAt, loginExpiresAt, refreshToken } = answer.grant
  return {
    accessToken: Redacted.value(accessToken),
    refreshToken: Option.getOrNull(Option.map(refreshToken, Redacted.value)),
    expiresAt: Option.getOrNull(expiresAt),
    loginExpiresAt: Option.getOrNull(loginExpiresAt),
    account: Option.getOrNull(Option.map(account, ({ id, label }) => [Option.getOrNull(id), Option.getOrNull(label)]))
  }
}
