/**
 * An agent in Effect: two vendors and two MCP servers, each with a login that other processes share. It logs in to nothing:
 * a login that has ended is told with the command that renews it, and the agent goes on with what it has.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as CredentialWriter from "@lockstep/core/CredentialWriter"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as TenantId from "@lockstep/core/TenantId"
import * as BearerClient from "@lockstep/http/BearerClient"
import * as SdkTransport from "@lockstep/mcp/SdkTransport"
import * as ResolvedHome from "@lockstep/node/stores/ResolvedHome"
import * as Fetch from "@lockstep/oauth/Fetch"
import * as OAuthTokenEndpoint from "@lockstep/oauth/OAuthTokenEndpoint"
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"

/** A client of one vendor's API. The token goes to this origin and to no other. */
const vendor = (tenant: string, origin: string) =>
  Effect.gen(function*() {
    const attach = yield* BearerClient.make({ tenant: TenantId.make(tenant), origins: [origin] })
    const http = attach(yield* HttpClient.HttpClient)
    return {
      name: tenant,
      get: (path: string) => Effect.flatMap(http.get(`${origin}${path}`), (response) => response.json)
    }
  })

/** An MCP server could not be used. */
class ToolsUnavailable extends Data.TaggedError("ToolsUnavailable")<{
  readonly tenant: string
  readonly advice: Option.Option<string>
}> {}

/** A session with an MCP server, for as long as the scope. */
const server = (tenant: string, url: string) =>
  Effect.gen(function*() {
    const options = yield* SdkTransport.make({ tenant: TenantId.make(tenant), serverUrl: url })
    const attempt = <A>(promise: () => Promise<A>) =>
      Effect.tryPromise({
        try: promise,
        catch: (error) => {
          const advice: unknown = error instanceof Error ? Reflect.get(error, "advice") : undefined
          return new ToolsUnavailable({
            tenant,
            advice: typeof advice === "string" ? Option.some(advice) : Option.none()
          })
        }
      })
    const client = yield* Effect.acquireRelease(
      Effect.sync(() => new Client({ name: "agent", version: "1.0.0" })),
      (one) => Effect.promise(() => one.close())
    )
    yield* attempt(() => client.connect(new StreamableHTTPClientTransport(new URL(url), options)))
    return {
      tenant,
      tools: attempt(async () => (await client.listTools()).tools.map(({ name }) => name)),
      call: (name: string, args: Record<string, unknown>) => attempt(() => client.callTool({ name, arguments: args }))
    }
  })

/** What cannot be used is told, and left out. */
const offered = (tenant: string, url: string) =>
  Effect.flatMap(server(tenant, url), ({ tools }) => tools).pipe(
    Effect.map((names) => names.map((name) => `${tenant} ${name}`)),
    Effect.catchTag("ToolsUnavailable", ({ advice }) =>
      Effect.as(
        Effect.logWarning(`${tenant} is left out`, ...Option.toArray(advice)),
        []
      ))
  )

const agent = Effect.gen(function*() {
  const models = yield* Effect.all([
    vendor("codex", "https://api.openai.com"),
    vendor("anthropic-oauth", "https://api.anthropic.com")
  ])
  const tools = yield* Effect.all([
    offered("mcp:linear", "https://mcp.linear.app/mcp"),
    offered("mcp:sentry", "https://mcp.sentry.dev/mcp")
  ], { concurrency: "unbounded" })
  yield* Effect.logInfo(`${models.length} vendors, tools: ${tools.flat().join(", ")}`)

  return yield* Effect.forEach(models, ({ get, name }) =>
    get("/v1/models").pipe(
      Effect.asSome,
      // A person has to log in. Every other failure of a token says what to do as well.
      Effect.catchTag("ReauthorizationRequired", ({ advice }) => Effect.as(Effect.logWarning(advice), Option.none())),
      Effect.map((list) => ({ name, list }))
    ))
})

/** Everything that the agent shares with other processes lies in the home of Lockstep. */
const services = Layer.mergeAll(RefreshCoordinator.layer, CredentialWriter.layer).pipe(
  Layer.provideMerge(Layer.provide(OAuthTokenEndpoint.layerBuiltIn, Fetch.layerGlobal)),
  Layer.provideMerge(ResolvedHome.layerFromEnv()),
  Layer.provideMerge(FetchHttpClient.layer)
)

export const program = Effect.scoped(agent).pipe(Effect.provide(services))
