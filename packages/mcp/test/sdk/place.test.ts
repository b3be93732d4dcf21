import { assert, describe, it } from "@effect/vitest"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import * as TenantId from "@lockstep/core/TenantId"
import * as SdkTransport from "@lockstep/mcp/SdkTransport"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Nothing in here asks for a token. */
const coordinator = Layer.succeed(
  RefreshCoordinator,
  { peek: () => Effect.never } as unknown as RefreshCoordinator["Type"]
)

const store = Layer.succeed(CredentialStore, {} as unknown as CredentialStore["Type"])

const asked: Array<string> = []

const fetchFor = (serverUrl: string) =>
  SdkTransport.makeFetch({
    tenant: TenantId.make("mcp:x"),
    serverUrl,
    fetch: (url) => {
      asked.push(String(url))
      return Promise.resolve(new Response("{}"))
    }
  }).pipe(Effect.provide(Layer.merge(coordinator, store)))

describe("the fetch of a transport", () => {
  it.effect("asks nothing on this machine that a server elsewhere names", () =>
    Effect.gen(function*() {
      const fetch = yield* fetchFor("https://mcp.example/mcp")
      for (
        const address of ["http://127.0.0.1:9/register", "https://localhost.:9/register", "https://169.254.169.254/x"]
      ) {
        const error = yield* Effect.flip(Effect.tryPromise(() => fetch(address, { method: "POST" })))
        assert.strictEqual(Reflect.get(error.error as object, "reason"), "MetadataAddress")
      }
      assert.deepStrictEqual(asked, [])
      yield* Effect.promise(() => fetch("https://id.example/register", { method: "POST" }))
      const local = yield* fetchFor("http://127.0.0.1:8/mcp")
      yield* Effect.promise(() => local("http://localhost:9/register", { method: "POST" }))
      assert.deepStrictEqual(asked, ["https://id.example/register", "http://localhost:9/register"])
    }))
})
