/**
 * The client that the conformance suite of MCP tests: it connects to a server, lists its tools and calls one. A person
 * who is asked for a login agrees to everything.
 *
 * By `LOCKSTEP_CONFORMANCE` it logs in on its own and gives the SDK's client a `fetch` (`lockstep`), or leaves logging in
 * to the SDK of either line, with a provider of ours (`v1`, `v2`).
 *
 * @since 0.1.0
 */
import * as CredentialWriter from "@lockstep/core/CredentialWriter"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import type { InsufficientScope } from "@lockstep/http/BearerError"
import * as BearerFetch from "@lockstep/http/BearerFetch"
import * as Lockstep from "@lockstep/mcp/Lockstep"
import * as McpServer from "@lockstep/mcp/McpServer"
import * as FileHome from "@lockstep/node/FileHome"
import * as FileVendorSettings from "@lockstep/node/FileVendorSettings"
import * as LoopbackCallback from "@lockstep/node/login/LoopbackCallback"
import * as NodeRoundTripper from "@lockstep/node/NodeRoundTripper"
import * as Callback from "@lockstep/oauth/Callback"
import { type ClientGrantRequest, Login, type LoginRequest } from "@lockstep/oauth/Login"
import * as LoginDriver from "@lockstep/oauth/LoginDriver"
import * as OAuthTokenEndpoint from "@lockstep/oauth/OAuthTokenEndpoint"
import { RoundTripper } from "@lockstep/oauth/RoundTripper"
import * as VendorRegistry from "@lockstep/oauth/VendorRegistry"
import { mcp } from "@lockstep/oauth/vendors/Mcp"
import { VendorSettings } from "@lockstep/oauth/VendorSettings"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import {
  StreamableHTTPClientTransport,
  type StreamableHTTPClientTransportOptions
} from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as HeadlessBrowser from "./HeadlessBrowser.js"

const TENANT = "mcp:conformance"
const REDIRECT = "http://127.0.0.1:8976/callback"
/** How often a person is asked before it is given up. */
const PATIENCE = 3

/** What the suite says of a client that is registered already. */
interface Context {
  readonly client_id?: string
  readonly client_secret?: string
  readonly private_key_pem?: string
  readonly idp_client_id?: string
  readonly idp_id_token?: string
  readonly idp_token_endpoint?: string
}

const SCENARIO = process.env["MCP_CONFORMANCE_SCENARIO"] ?? ""

/** The grant without a person that a scenario is about. */
const clientGrantOf = (context: Context): ClientGrantRequest | undefined => {
  const { idp_client_id: clientId, idp_id_token: idToken, idp_token_endpoint: tokenEndpoint } = context
  if (clientId !== undefined && idToken !== undefined && tokenEndpoint !== undefined) {
    return { _tag: "IdentityAssertion", clientId, idToken: Redacted.make(idToken), tokenEndpoint }
  }
  return SCENARIO.includes("client-credentials") ? { _tag: "ClientCredentials" } : undefined
}

const services = LoginDriver.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(RefreshCoordinator.layer, CredentialWriter.layer)),
  Layer.provideMerge(OAuthTokenEndpoint.layer),
  Layer.provideMerge(Layer.mergeAll(
    Layer.effect(RoundTripper, Effect.map(NodeRoundTripper.make, ({ load }) => RoundTripper.of({ load }))),
    Layer.effect(VendorSettings, Effect.map(FileVendorSettings.make, (made) => VendorSettings.of(made))),
    Layer.effect(
      Callback.Callback,
      Effect.map(LoopbackCallback.make, ({ listen }) => Callback.Callback.of({ listen }))
    ),
    VendorRegistry.layerBuiltIn
  )),
  Layer.provideMerge(FileHome.layer()),
  Layer.provideMerge(RefreshPolicy.layerFromEnv),
  Layer.provideMerge(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger)))
)

/** Lists the tools and calls the first. */
const use = async (client: Pick<Client, "listTools" | "callTool">): Promise<void> => {
  const { tools } = await client.listTools()
  const [tool] = tools
  if (tool !== undefined) await client.callTool({ name: tool.name, arguments: {} })
}

/** The suite plays its newer scenarios in MCP 2026-07-28 alone. */
const NEGOTIATING = { versionNegotiation: { mode: "auto" } } as const

const INFO = { name: "lockstep-conformance", version: "1.0.0" }

/** The scopes to log in for, beside those that the server asks every client for; `undefined` where no login would help. */
const wanted = (error: unknown): ReadonlyArray<string> | undefined => {
  if (typeof error !== "object" || error === null) return undefined
  const tag: unknown = Reflect.get(error, "_tag")
  // The SDK's probe for a version wraps what the `fetch` said.
  if (tag === undefined) return wanted(Reflect.get(error, "cause"))
  if (tag === "InsufficientScope") return (error as InsufficientScope).scope
  return tag === "ReauthorizationRequired" ? [] : undefined
}

/** Our own discovery, login and `fetch`; the SDK only speaks MCP. */
const ours = (url: string, context: Context) =>
  Effect.gen(function*() {
    const login = yield* Login
    const network = yield* RoundTripper
    const tenant = TenantId.make(TENANT)
    const key = { tenant, user: "local" }

    const logIn = (more: ReadonlyArray<string>) =>
      Effect.gen(function*() {
        const server = yield* McpServer.discover({ roundTripper: yield* network.load, url })
        const clientGrant = clientGrantOf(context)
        const request: LoginRequest = {
          ...key,
          vendor: mcp,
          issuer: Option.some(server.issuers[0]),
          clientId: Option.fromNullable(context.client_id),
          clientSecret: Option.map(
            Option.fromNullable(context.private_key_pem ?? context.client_secret),
            (secret) => Redacted.make(secret)
          ),
          scopes: [...new Set([...more, ...server.scopes])],
          resource: Option.some(server.resource),
          replace: true,
          port: Option.none(),
          timeout: Option.none(),
          ...(SCENARIO.includes("2025-03-26") ? { mcpVersion: "2025-03-26" } : {}),
          ...(clientGrant === undefined ? {} : { clientGrant }),
          ...(context.private_key_pem === undefined ? {} : { clientAuthMethod: "private_key_jwt" })
        }
        if (clientGrant !== undefined) return yield* Effect.asVoid(login.client(request))
        const invitation = yield* login.begin(request)
        const address = invitation._tag === "Device" ? invitation.verificationUri : invitation.url
        const answer = yield* Effect.promise(() => HeadlessBrowser.authorize(new URL(address)))
        yield* login.complete(key, Redacted.make(answer.href))
      })

    const fetch = yield* BearerFetch.make({ tenant, background: ({ method }) => method === "GET" })
    const attempt = Effect.tryPromise({
      try: async () => {
        const sdk = await import("@modelcontextprotocol/client")
        const client = new sdk.Client(INFO, NEGOTIATING)
        await client.connect(new sdk.StreamableHTTPClientTransport(new URL(url), { fetch }))
        await use(client as unknown as Client)
        await client.close()
      },
      catch: (error) => error
    })
    let logins = 0
    return yield* attempt.pipe(
      Effect.tapError((error) => {
        const more = wanted(error)
        return more === undefined || logins++ === PATIENCE ? Effect.void : logIn(more)
      }),
      Effect.retry({ while: (error) => wanted(error) !== undefined && logins <= PATIENCE })
    )
  })

type Line = "v1" | "v2"

/** The SDK's own login, with a provider of ours. */
const theirs = async (line: Line, lockstep: Lockstep.Lockstep, url: string, context: Context): Promise<void> => {
  let invitation: URL | undefined
  const options = await lockstep.mcp({
    tenant: TENANT,
    serverUrl: url,
    redirectUrl: REDIRECT,
    redirectToAuthorization: (address) => {
      invitation = address
    },
    ...(context.client_id === undefined ? {} : {
      client: {
        client_id: context.client_id,
        ...(context.client_secret === undefined ? {} : { client_secret: context.client_secret })
      }
    }),
    ...(process.env["LOCKSTEP_CLIENT_METADATA_URL"] === undefined
      ? {}
      : { clientMetadataUrl: process.env["LOCKSTEP_CLIENT_METADATA_URL"] })
  })

  const open = async () => {
    if (line === "v1") {
      const client = new Client(INFO)
      const transport = new StreamableHTTPClientTransport(
        new URL(url),
        options as StreamableHTTPClientTransportOptions
      )
      return {
        client,
        connect: () => client.connect(transport as Parameters<typeof client.connect>[0]),
        finish: async (answer: URL) => transport.finishAuth(await options.authProvider.codeOf(answer))
      }
    }
    const sdk = await import("@modelcontextprotocol/client")
    const client = new sdk.Client(INFO, NEGOTIATING)
    const transport = new sdk.StreamableHTTPClientTransport(new URL(url), options)
    return {
      client: client as unknown as Client,
      connect: () => client.connect(transport),
      finish: (answer: URL) => transport.finishAuth(answer.searchParams)
    }
  }

  for (let asked = 0;; asked++) {
    const { client, connect, finish } = await open()
    invitation = undefined
    try {
      await connect()
      await use(client)
      await client.close()
      return
    } catch (error) {
      if (invitation === undefined || asked === PATIENCE) throw error
      await finish(await HeadlessBrowser.authorize(invitation))
    }
  }
}

/**
 * Runs the client against the server at `url`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const main = async (url: string): Promise<void> => {
  const runtime = ManagedRuntime.make(services)
  const context = JSON.parse(process.env["MCP_CONFORMANCE_CONTEXT"] ?? "{}") as Context
  const mode = process.env["LOCKSTEP_CONFORMANCE"] ?? "lockstep"
  try {
    if (mode === "v1" || mode === "v2") await theirs(mode, Lockstep.fromRuntime(runtime), url, context)
    else await runtime.runPromise(ours(url, context))
  } finally {
    await runtime.dispose()
  }
}
