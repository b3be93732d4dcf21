/**
 * A real MCP server and a real authorization server, and processes that share a store in memory: each has a coordinator
 * of its own and whatever the SDK makes of its providers.
 */
import { Credential } from "@lockstep/core/Credential"
import * as CredentialLock from "@lockstep/core/CredentialLock"
import * as CredentialStore from "@lockstep/core/CredentialStore"
import * as CredentialWriter from "@lockstep/core/CredentialWriter"
import * as LockedCustody from "@lockstep/core/LockedCustody"
import * as PendingLogins from "@lockstep/core/PendingLogins"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import * as WritableStore from "@lockstep/core/WritableStore"
import * as OAuthClientProvider from "@lockstep/mcp/OAuthClientProvider"
import * as SdkTransport from "@lockstep/mcp/SdkTransport"
import type { OAuthClientProvider as Provider } from "@lockstep/mcp/SdkTypes"
import * as NodeHost from "@lockstep/node/NodeHost"
import * as Fetch from "@lockstep/oauth/Fetch"
import * as OAuthTokenEndpoint from "@lockstep/oauth/OAuthTokenEndpoint"
import * as HeadlessBrowser from "@lockstep/testkit/mcp/HeadlessBrowser"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as McpResource from "@lockstep/testkit/servers/McpResource"
import * as V2 from "@modelcontextprotocol/client"
import * as V1 from "@modelcontextprotocol/sdk/client/auth.js"
import { Client as V1Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport as V1Transport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"

export const TENANT = TenantId.make("mcp:files")
export const REDIRECT = "http://127.0.0.1:8123/callback"

/** A tool is called, and what it answers is text. */
export interface Session {
  readonly call: (name: string, args: Record<string, unknown>) => Promise<string>
  readonly finish: (answer: URL) => Promise<void>
  readonly terminate: () => Promise<void>
  readonly onNotification: (listener: () => void) => void
  readonly close: () => Promise<void>
}

export interface Line {
  readonly name: "v1" | "v2"
  /** Without an answer: begins. With one: ends. */
  readonly auth: (provider: Provider, serverUrl: string, answer?: URL) => Promise<"AUTHORIZED" | "REDIRECT">
  readonly open: (url: string, transport: SdkTransport.SdkTransport) => {
    readonly connect: () => Promise<void>
    readonly session: Session
  }
}

const textOf = (result: unknown): string => {
  const [first] = (result as { readonly content: ReadonlyArray<{ readonly text?: string }> }).content
  return first?.text ?? ""
}

const v1: Line = {
  name: "v1",
  auth: async (provider, serverUrl, answer) =>
    V1.auth(provider, {
      serverUrl,
      ...(answer === undefined ? {} : { authorizationCode: await provider.codeOf(answer) })
    }),
  open: (url, options) => {
    const transport = new V1Transport(new URL(url), options)
    const client = new V1Client({ name: "test", version: "1" })
    return {
      connect: () => client.connect(transport as never),
      session: {
        call: async (name, args) => textOf(await client.callTool({ name, arguments: args })),
        finish: async (answer) => transport.finishAuth(await options.authProvider.codeOf(answer)),
        terminate: () => transport.terminateSession(),
        onNotification: (listener) => {
          client.fallbackNotificationHandler = async () => listener()
        },
        close: () => client.close()
      }
    }
  }
}

const v2: Line = {
  name: "v2",
  auth: (provider, serverUrl, answer) => {
    const iss = answer?.searchParams.get("iss") ?? undefined
    return V2.auth(provider, {
      serverUrl,
      ...(answer === undefined ? {} : { authorizationCode: answer.searchParams.get("code") ?? "" }),
      ...(iss === undefined ? {} : { iss })
    })
  },
  open: (url, options) => {
    const transport = new V2.StreamableHTTPClientTransport(new URL(url), options)
    const client = new V2.Client({ name: "test", version: "1" })
    return {
      connect: () => client.connect(transport),
      session: {
        call: async (name, args) => textOf(await client.callTool({ name, arguments: args })),
        finish: (answer) => transport.finishAuth(answer.searchParams),
        terminate: () => transport.terminateSession(),
        onNotification: (listener) => {
          client.fallbackNotificationHandler = async () => listener()
        },
        close: () => client.close()
      }
    }
  }
}

export const LINES = [v1, v2]

export const make = (options: Partial<McpResource.Options> = {}) =>
  Effect.gen(function*() {
    const server = yield* AuthorizationServer.make({ scopes: ["mcp:use", "files:read", "files:write"] })
    const resource = yield* McpResource.make({ ...options, authorizationServer: server })
    const shared = Layer.mergeAll(
      Layer.provideMerge(
        LockedCustody.layer,
        Layer.mergeAll(WritableStore.layerMemory, CredentialLock.layerMemory, RefreshJournal.layerMemory)
      ),
      PendingLogins.layerMemory,
      NodeHost.layer,
      RefreshPolicy.layerDefaults,
      Layer.provide(OAuthTokenEndpoint.layerBuiltIn, Fetch.layerGlobal)
    )
    const built = yield* Layer.build(shared)
    const store = Context.get(built, CredentialStore.CredentialStore)
    const waits = yield* Queue.unbounded<void>()
    const context = Context.add(built, CredentialStore.CredentialStore, {
      ...store,
      changes: (tenant: TenantId.TenantId) => Effect.zipLeft(store.changes(tenant), Queue.offer(waits, undefined))
    })
    const pending = Context.get(context, PendingLogins.PendingLogins)

    const stored = Effect.map(Effect.orDie(store.get(TENANT)), Option.map(({ credential }) => credential))
    const accessToken = Effect.map(stored, (credential) =>
      Option.match(
        Option.flatMap(credential, (one) => one.accessToken),
        {
          onNone: () => "",
          onSome: Redacted.value
        }
      ))

    return {
      server,
      resource,
      store,
      writable: Context.get(built, WritableStore.WritableStore),
      pending,
      stored,
      accessToken,
      /** Waits until a caller waits for a change of the store. */
      untilWaiting: Queue.take(waits),
      /** Puts the login of a person who has logged in long ago. */
      seed: (options: AuthorizationServer.IssueOptions & { readonly issuer?: boolean } = {}) =>
        Effect.gen(function*() {
          const issued = yield* server.issue("ann", {
            resource: resource.url,
            scope: "openid offline_access mcp:use",
            ...options
          })
          const now = Math.floor(Date.now() / 1_000)
          const credential = Credential.make({
            issuer: options.issuer === false ? Option.none() : Option.some(server.issuer),
            tokenEndpoint: Option.some(server.tokenEndpoint),
            revocationEndpoint: Option.some(server.revocationEndpoint),
            clientId: Option.some(server.clientId),
            tokenEndpointAuthMethod: Option.some("none"),
            accessToken: Option.some(Redacted.make(issued.access_token)),
            refreshToken: Option.some(Redacted.make(issued.refresh_token)),
            tokenType: Option.some("Bearer"),
            scope: Option.some(issued.scope),
            resource: Option.some(resource.url),
            obtainedAt: Option.some(now),
            expiresAt: Option.some(now + issued.expires_in),
            generation: 1
          })
          yield* Context.get(built, WritableStore.WritableStore).modify(
            TENANT,
            () => WritableStore.Change.Put({ credential, value: () => undefined })
          )
          return issued
        }),
      /** One more process over the shared store. */
      process: Effect.gen(function*() {
        const services = yield* Layer.build(
          Layer.provideMerge(
            Layer.mergeAll(Layer.fresh(RefreshCoordinator.layer), Layer.fresh(CredentialWriter.layer)),
            Layer.succeedContext(context)
          )
        )
        const invited: Array<URL> = []
        const redirect = {
          redirectUrl: REDIRECT,
          redirectToAuthorization: (url: URL) => void invited.push(url)
        }
        const common = { tenant: TENANT, serverUrl: resource.url }
        return {
          coordinator: yield* Effect.provide(RefreshCoordinator.RefreshCoordinator, services),
          writer: yield* Effect.provide(CredentialWriter.CredentialWriter, services),
          invited,
          /** What the person in front of the browser brings back. */
          agree: Effect.suspend(() => Effect.promise(() => HeadlessBrowser.authorize(invited.at(-1)!))),
          provider: (more: Partial<OAuthClientProvider.Options> = {}) =>
            Effect.provide(OAuthClientProvider.make({ ...common, ...redirect, ...more }), services),
          /** A transport of a program that sends no person to a browser. */
          unattended: Effect.provide(SdkTransport.make(common), services),
          unattendedAt: (serverUrl: string) =>
            Effect.provide(OAuthClientProvider.make({ tenant: TENANT, serverUrl }), services),
          alone: Effect.provide(OAuthClientProvider.make(common), services),
          transport: (more: Partial<SdkTransport.Options> = {}) =>
            Effect.provide(SdkTransport.make({ ...common, ...redirect, ...more }), services)
        }
      })
    }
  })

export type Stage = Effect.Effect.Success<ReturnType<typeof make>>

/** What a promise rejects with. */
export const rejection = (promise: Promise<unknown>): Effect.Effect<unknown> =>
  Effect.promise(() => promise.then(() => "no rejection", (error: unknown) => error))

export const tagOf = (error: unknown): string => {
  const tag: unknown = typeof error === "object" && error !== null ? Reflect.get(error, "_tag") : undefined
  return typeof tag === "string" ? tag : String(error)
}
