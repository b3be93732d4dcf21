/**
 * One machine in memory on which people log in: the real driver, writer and token endpoint over core's memory layers, a
 * scripted network, a port that the test plays the browser to, and a lock that the test can hold.
 */
import * as ClientRegistrations from "@lockstep/core/ClientRegistrations"
import type { Credential } from "@lockstep/core/Credential"
import { CredentialLock, LockTarget } from "@lockstep/core/CredentialLock"
import * as CredentialWriter from "@lockstep/core/CredentialWriter"
import * as Host from "@lockstep/core/Host"
import * as LockedCustody from "@lockstep/core/LockedCustody"
import * as PendingLogins from "@lockstep/core/PendingLogins"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import { TokenEndpoint } from "@lockstep/core/TokenEndpoint"
import * as WritableStore from "@lockstep/core/WritableStore"
import { Callback, PortsTaken } from "@lockstep/oauth/Callback"
import type { CallbackPage } from "@lockstep/oauth/Callback"
import * as Fetch from "@lockstep/oauth/Fetch"
import { Login } from "@lockstep/oauth/Login"
import type { Invitation, LoginRequest, Person } from "@lockstep/oauth/Login"
import * as LoginDriver from "@lockstep/oauth/LoginDriver"
import type { LoginError } from "@lockstep/oauth/LoginError"
import * as OAuthTokenEndpoint from "@lockstep/oauth/OAuthTokenEndpoint"
import * as OAuthVendor from "@lockstep/oauth/OAuthVendor"
import * as VendorRegistry from "@lockstep/oauth/VendorRegistry"
import * as VendorSettings from "@lockstep/oauth/VendorSettings"
import * as ControlledLock from "@lockstep/testing/ControlledLock"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"

export const tenant = TenantId.make("acme")
export const key: PendingLogins.PendingKey = { tenant, user: PendingLogins.LOCAL_USER }
export const LOCK = LockTarget.Tenant({ tenant })

/** Milliseconds since the epoch. */
export const NOW = 1_790_000_000_000

/** A server that says nothing about itself. */
export const acme = OAuthVendor.make({
  id: "acme",
  name: "Acme",
  authorizationEndpoint: Option.some("https://acme.example/authorize"),
  tokenEndpoint: Option.some("https://acme.example/token"),
  deviceAuthorizationEndpoint: Option.some("https://acme.example/device"),
  clientId: Option.some("acme-client"),
  scopes: ["openid", "offline_access"]
})

export interface Sent {
  readonly method: string
  readonly url: string
  readonly headers: Record<string, string>
  readonly body: string
  readonly params: Record<string, string>
}

export interface Reply {
  readonly status: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export type Server = (sent: Sent) => Reply | "Refused" | "Reset" | Promise<Reply>

/** A granted login whose tokens a leak check finds. */
export const tokens = (extra: Record<string, unknown> = {}) => ({
  access_token: FakeToken.make("at"),
  refresh_token: FakeToken.make("rt"),
  token_type: "Bearer",
  expires_in: 3600,
  ...extra
})

export const ok = (body: unknown): Reply => ({ status: 200, body })
export const minute = Duration.minutes(1)
export const no = (error: string, status = 400): Reply => ({ status, body: { error, error_description: "because" } })

const readAll = async (stream: ReadableStream<Uint8Array> | undefined): Promise<string> =>
  stream === undefined ? "" : new Response(stream).text()

const paramsOf = (headers: Record<string, string>, body: string): Record<string, string> =>
  (headers["content-type"] ?? "").startsWith("application/json")
    ? JSON.parse(body) as Record<string, string>
    : Object.fromEntries(new URLSearchParams(body))

const network = () => {
  const requests: Array<Sent> = []
  const arrivals = Effect.runSync(Queue.unbounded<Sent>())
  const self = { requests, arrivals, server: (() => ok({})) as Server }
  const layer = Fetch.layer(async (url, init) => {
    const body = await readAll(init.body)
    const sent = { method: init.method, url, headers: init.headers, body, params: paramsOf(init.headers, body) }
    requests.push(sent)
    arrivals.unsafeOffer(sent)
    const reply = await self.server(sent)
    if (reply === "Refused") {
      throw Object.assign(new TypeError("fetch failed"), {
        cause: Object.assign(new Error("connect"), { code: "ECONNREFUSED", syscall: "connect" })
      })
    }
    if (reply === "Reset") {
      throw Object.assign(new TypeError("fetch failed"), {
        cause: Object.assign(new Error("reset"), { code: "ECONNRESET", syscall: "read" })
      })
    }
    return new Response(typeof reply.body === "string" ? reply.body : JSON.stringify(reply.body), {
      status: reply.status,
      headers: { "content-type": "application/json", ...reply.headers }
    })
  })
  return { self, layer }
}

/** The pages that a browser was shown, and what is open. */
export interface Ports {
  readonly taken: Set<number>
  readonly open: Map<number, (query: string) => Effect.Effect<CallbackPage | "refused">>
  readonly paths: Array<string>
}

const ports = () => {
  const self: Ports = { taken: new Set(), open: new Map(), paths: [] }
  const layer = Layer.succeed(Callback, {
    listen: ({ accepts, path, ports }) =>
      Effect.gen(function*() {
        const port = ports.map((one) => one === 0 ? 40_000 + self.paths.length : one)
          .find((one) => !self.taken.has(one) && !self.open.has(one))
        if (port === undefined) return yield* new PortsTaken({ ports })
        self.paths.push(path)
        const answers = yield* Queue.unbounded<
          { readonly query: string; readonly page: Deferred.Deferred<CallbackPage> }
        >()
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            self.open.set(port, (query) =>
              Effect.gen(function*() {
                if (!accepts(new URLSearchParams(query))) return "refused" as const
                const page = yield* Deferred.make<CallbackPage>()
                yield* Queue.offer(answers, { query, page })
                return yield* Deferred.await(page)
              }))
          }),
          () => Effect.sync(() => void self.open.delete(port))
        )
        return {
          port,
          answer: Effect.map(Queue.take(answers), ({ page, query }) => ({
            query: Redacted.make(query),
            respond: (shown) =>
              Effect.zipRight(
                Effect.sync(() => void self.open.delete(port)),
                Effect.asVoid(Deferred.succeed(page, shown))
              )
          }))
        }
      })
  })
  return { self, layer }
}

export interface Stage {
  readonly login: Login["Type"]
  readonly network: { readonly requests: Array<Sent>; readonly arrivals: Queue.Dequeue<Sent>; server: Server }
  readonly ports: Ports
  readonly lock: ControlledLock.ControlledLock
  readonly store: WritableStore.WritableStore["Type"]
  readonly journal: RefreshJournal.RefreshJournal["Type"]
  readonly host: Host.Host["Type"]
  readonly writer: CredentialWriter.CredentialWriter["Type"]
  readonly pending: PendingLogins.PendingLogins["Type"]
  readonly settings: VendorSettings.VendorSettings["Type"]
  readonly registrations: ClientRegistrations.ClientRegistrations["Type"]
  readonly endpoint: TokenEndpoint["Type"]
  readonly stored: Effect.Effect<Credential | null>
}

export interface Options {
  readonly vendors?: ReadonlyArray<OAuthVendor.OAuthVendor>
  readonly environment?: Readonly<Record<string, string>>
  readonly registrations?: Partial<ClientRegistrations.ClientRegistrations["Type"]>
  readonly wrapStore?: (store: WritableStore.WritableStore["Type"]) => WritableStore.WritableStore["Type"]
}

export const make = (options: Options = {}): Effect.Effect<Stage> =>
  Effect.gen(function*() {
    yield* TestClock.setTime(NOW)
    const net = network()
    const port = ports()
    const lock = yield* ControlledLock.make
    const memory = yield* WritableStore.makeMemory()
    const vendors = VendorRegistry.layer([acme, ...options.vendors ?? [], OAuthVendor.generic])
    const machine = Layer.mergeAll(
      Layer.succeed(CredentialLock, lock.service),
      Layer.provideMerge(
        WritableStore.layerReader,
        Layer.succeed(WritableStore.WritableStore, options.wrapStore?.(memory) ?? memory)
      ),
      RefreshJournal.layerMemory,
      RefreshPolicy.layerDefaults,
      Host.layerMemory,
      PendingLogins.layerMemory,
      Layer.effect(
        ClientRegistrations.ClientRegistrations,
        Effect.map(ClientRegistrations.makeMemory, (made) => ({ ...made, ...options.registrations }))
      ),
      VendorSettings.layerMemory,
      vendors,
      net.layer,
      port.layer
    )
    const layer = LoginDriver.layer.pipe(
      Layer.provideMerge(CredentialWriter.layer),
      Layer.provideMerge(OAuthTokenEndpoint.layer),
      Layer.provideMerge(LockedCustody.layer),
      Layer.provideMerge(machine),
      Layer.provide(Layer.setConfigProvider(
        ConfigProvider.fromMap(new Map(Object.entries(options.environment ?? {})))
      ))
    )
    const context = yield* Effect.scoped(Layer.build(layer))
    return {
      login: Context.get(context, Login),
      network: net.self,
      ports: port.self,
      lock,
      store: memory,
      journal: Context.get(context, RefreshJournal.RefreshJournal),
      host: Context.get(context, Host.Host),
      writer: Context.get(context, CredentialWriter.CredentialWriter),
      pending: Context.get(context, PendingLogins.PendingLogins),
      settings: Context.get(context, VendorSettings.VendorSettings),
      registrations: Context.get(context, ClientRegistrations.ClientRegistrations),
      endpoint: Context.get(context, TokenEndpoint),
      stored: Effect.map(
        Effect.orDie(memory.get(tenant)),
        (found) => Option.getOrNull(Option.map(found, ({ credential }) => credential))
      )
    }
  })

export const request = (
  vendor: OAuthVendor.OAuthVendor = acme,
  rest: Partial<LoginRequest> = {}
): LoginRequest => ({
  ...key,
  vendor,
  issuer: Option.none(),
  clientId: Option.none(),
  clientSecret: Option.none(),
  scopes: [],
  resource: Option.none(),
  replace: false,
  port: Option.none(),
  timeout: Option.none(),
  ...rest
})

/** A person who looks at what is shown, and pastes what the test gives. */
export const person = Effect.gen(function*() {
  const invited = yield* Deferred.make<Invitation>()
  const pasted = yield* Queue.unbounded<Redacted.Redacted>()
  const self: Person = {
    invite: (invitation) => Effect.zipRight(Deferred.succeed(invited, invitation), Effect.never),
    pasted: Queue.take(pasted)
  }
  return {
    self,
    invitation: Deferred.await(invited),
    url: Effect.map(Deferred.await(invited), (invitation) => new URL("url" in invitation ? invitation.url : "")),
    paste: (text: string) => Queue.offer(pasted, Redacted.make(text))
  }
})

/** The query with which a server sends the browser back. */
export const answerTo = (url: URL, rest: Readonly<Record<string, string>> = {}): string =>
  new URLSearchParams({ code: "the-code-of-this-login", state: url.searchParams.get("state") ?? "", ...rest })
    .toString()

/** What a server under rules of MCP says of itself, at least. */
export const metadataOf = (issuer: string) => ({
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  registration_endpoint: `${issuer}/register`,
  code_challenge_methods_supported: ["S256"]
})

/** Begins a login and answers with the address that a person opens. */
export const begun = (stage: Stage, login: LoginRequest) =>
  Effect.map(stage.login.begin(login), (invitation) => new URL("url" in invitation ? invitation.url : ""))

/** The client that an address names. */
export const clientOf = (url: URL) => url.searchParams.get("client_id")

/** Opens the one port that is open. */
export const visit = (stage: Stage, query: string): Effect.Effect<CallbackPage | "refused"> =>
  Effect.suspend(() => [...stage.ports.open.values()][0]!(query))

/** What a test compares: no object of Effect's. */
export const verdict = (error: LoginError): string => "reason" in error ? `${error._tag} ${error.reason}` : error._tag

/** How a login is refused, in words that a failed assertion can print. */
export const refusal = <A>(login: Effect.Effect<A, LoginError>): Effect.Effect<string> =>
  Effect.match(login, { onFailure: verdict, onSuccess: () => "not refused" })

export const plain = (secret: Option.Option<Redacted.Redacted>): string | null =>
  Option.getOrNull(Option.map(secret, Redacted.value))
