import { assert, describe, it } from "@effect/vitest"
import { RefreshCoordinator } from "@lockstep/core/RefreshCoordinator"
import * as TenantId from "@lockstep/core/TenantId"
import * as KeeperClient from "@lockstep/serve/KeeperClient"
import * as KeeperCoordinator from "@lockstep/serve/KeeperCoordinator"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { writeFileSync } from "node:fs"
import * as Net from "node:net"
import { join } from "node:path"
import { inspect } from "node:util"
import * as Stage from "./support/stage.js"

const connect = (options: KeeperClient.ConnectOptions) =>
  Effect.acquireRelease(
    Effect.sync(() => KeeperClient.connect(options)),
    (client) => Effect.sync(client.close)
  )

const failure = (call: () => Promise<unknown>): Effect.Effect<KeeperClient.KeeperError> =>
  Effect.promise(() => call().then(() => assert.fail("it was answered"), (error: KeeperClient.KeeperError) => error))

describe("a program that awaits", () => {
  it.scopedLive("gets tokens on a connection that is kept, and shows none of them", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const client = yield* connect({ address: `unix:${stage.home}/serve.sock`, client: "tests" })
      const first = yield* Effect.promise(() => client.accessToken("codex", { minTtl: 300_000 }))
      assert.strictEqual(first.authorization, `Bearer ${Stage.ACCESS}codex`)
      assert.deepStrictEqual(first.expiresAt, new Date(4_000_000_000_000))
      assert.notInclude(inspect(first, { depth: 9, showHidden: true }), Stage.ACCESS)
      assert.notInclude(JSON.stringify(first), Stage.ACCESS)
      for (let count = 0; count < 50; count++) yield* Effect.promise(() => client.accessToken("mcp:a"))
      const other = yield* Effect.promise(() => client.recover("mcp:a", first))
      assert.strictEqual(other.tenant, "mcp:a")
      const tenants = yield* Effect.promise(() => client.tenants())
      assert.deepStrictEqual(tenants.map(({ tenant }) => tenant), ["codex", "mcp:a", "mcp:b"])
    }))

  it.scopedLive("is told errors with their advice, by a key and without one", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make({ shared: true, port: true })
      const keyFile = join(stage.home, "key")
      writeFileSync(keyFile, `${stage.add("a", { tenants: ["mcp:a"] })}\n`)
      for (const address of [`unix:${stage.home}/shared.sock`, stage.url!]) {
        const client = yield* connect({ address, keyFile })
        assert.strictEqual((yield* Effect.promise(() => client.accessToken("mcp:a"))).token, `${Stage.ACCESS}mcp:a`)
        const foreign = yield* failure(() => client.accessToken("codex"))
        assert.strictEqual(foreign._tag, "ReauthorizationRequired")
        assert.strictEqual(foreign.reason, "NotFound")
        assert.isNotEmpty(foreign.advice)
        const bare = yield* connect({ address, keyFile: "" })
        assert.strictEqual((yield* failure(() => bare.accessToken("mcp:a"))).reason, "KeyMissing")
      }
      const gone = yield* connect({ address: `unix:${stage.home}/none.sock` })
      const error = yield* failure(() => gone.accessToken("codex"))
      assert.strictEqual(error._tag, "KeeperGone")
      assert.include(error.advice, "lockstep serve")
      assert.throws(() => KeeperClient.connect({ address: "http://example.com" }), /address of a keeper/)
    }))

  it.scopedLive("does without a keeper that says nothing, and asks again where a kept connection was closed", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const path = join(stage.home, "odd.sock")
      let connections = 0
      const server = yield* Effect.acquireRelease(
        Effect.async<Net.Server>((resume) => {
          const one = Net.createServer((socket) => {
            connections++
            socket.on("error", () => {})
            socket.once("data", () => connections === 1 ? socket.destroy() : undefined)
          })
          one.listen(path, () => resume(Effect.succeed(one)))
        }),
        (one) => Effect.sync(() => one.close())
      )
      const client = yield* connect({ address: `unix:${path}`, silence: 100 })
      const error = yield* failure(() => client.accessToken("codex"))
      assert.strictEqual(error._tag, "KeeperGone")
      assert.include(error.message, "ETIMEDOUT")
      assert.strictEqual(connections, 2)
      assert.isTrue(server.listening)
    }))
})

describe("an agent of Effect", () => {
  it.scopedLive("has a coordinator over the keeper: the same calls, the same errors", () =>
    Effect.gen(function*() {
      const stage = yield* Stage.make()
      const tenant = TenantId.make("codex")
      yield* Effect.gen(function*() {
        const coordinator = yield* RefreshCoordinator
        const token = yield* coordinator.accessToken(tenant, { minTtl: "5 minutes" })
        assert.strictEqual(Redacted.value(token.token), `${Stage.ACCESS}codex`)
        assert.notInclude(String(token.token), Stage.ACCESS)
        assert.strictEqual((yield* coordinator.peek(tenant)).generation, 1)
        assert.strictEqual((yield* coordinator.recover(tenant, token.token)).tenant, tenant)
        assert.strictEqual((yield* coordinator.refresh(tenant)).by, "adopted")
        const absent = yield* Effect.flip(coordinator.accessToken(TenantId.make("none")))
        assert.strictEqual(absent._tag, "ReauthorizationRequired")
        assert.isTrue(absent._tag === "ReauthorizationRequired" && absent.reason === "NotFound")
      }).pipe(Effect.provide(KeeperCoordinator.layer({ address: `unix:${stage.home}/serve.sock` })))
    }))

  it.scopedLive("is told a keeper that is gone as a store that is not available", () =>
    Effect.gen(function*() {
      const coordinator = yield* KeeperCoordinator.make({ address: "unix:/nowhere/serve.sock" })
      const error = yield* Effect.flip(coordinator.accessToken(TenantId.make("codex")))
      assert.isTrue(error._tag === "CredentialStoreError" && error.reason === "Unavailable")
      assert.include(error.advice, "lockstep serve")
    }))
})
