import { assert, describe, it } from "@effect/vitest"
import { deepStrictEqual } from "@effect/vitest/utils"
import { Credential } from "@lockstep/core/Credential"
import * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import * as KeyRotation from "@lockstep/node/secrets/KeyRotation"
import * as LeakCheck from "@lockstep/testkit/LeakCheck"
import * as ProcessHarness from "@lockstep/testkit/processes/ProcessHarness"
import * as RemoteWorker from "@lockstep/testkit/processes/RemoteWorker"
import type { Setup } from "@lockstep/testkit/processes/WorkerCommand"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Path from "node:path"
import * as SealedHomes from "../support/sealedHomes.js"

const AGENT = TenantId.make("agent")
const COMMAND = { _tag: "AccessToken", tenant: AGENT } as const

// So many processes on two cores starve each other for longer than the bounds of a person's machine allow for.
const PATIENCE = {
  LOCKSTEP_PROVIDER_TIMEOUT: "100s",
  LOCKSTEP_REDEEM_LIMIT: "120s",
  LOCKSTEP_AGGREGATE_LOCK_TIMEOUT: "60s",
  LOCKSTEP_LOCK_TIMEOUT: "300s",
  LOCKSTEP_QUIET_TIME: "1ms"
}

const ONCE = { redemptions: 1, reuses: 0, refusals: 0, revocations: 0 }

/** A server, a sealed home with an expired login of it, and workers over that home. */
const stage = Effect.gen(function*() {
  const server = yield* AuthorizationServer.make()
  const harness = yield* ProcessHarness.make({ secrets: () => server.ledger.secrets })
  const file = Path.join(Path.dirname(harness.home), "lockstep.key")
  SealedHomes.writeKeys(file, SealedHomes.keyLine())
  const opened = yield* SealedHomes.open(harness.home, { file })
  const issued = yield* server.issue(AGENT)
  yield* opened.store.modify(AGENT, () =>
    Change.Put({
      credential: Credential.make({
        accessToken: Option.some(Redacted.make(issued.access_token)),
        refreshToken: Option.fromNullable(issued.refresh_token).pipe(Option.map(Redacted.make)),
        tokenType: Option.some("Bearer"),
        issuer: Option.some(server.issuer),
        tokenEndpoint: Option.some(server.tokenEndpoint),
        clientId: Option.some(server.clientId),
        scope: Option.fromNullable(issued.scope),
        expiresAt: Option.some(Math.floor(Date.now() / 1_000) - 3_600),
        obtainedAt: Option.some(Math.floor(Date.now() / 1_000) - 7_200),
        generation: 1
      }),
      value: () => undefined
    }))
  return {
    server,
    harness,
    opened,
    file,
    worker: (stop?: NonNullable<Setup["stop"]>) =>
      RemoteWorker.spawn(harness, {
        setup: { store: "secrets", ...(stop === undefined ? {} : { stop }) },
        env: { ...PATIENCE, LOCKSTEP_SECRETS_KEY_FILE: file }
      }),
    counts: Effect.sync(() => {
      const { redemptions, refusals, reuses, revocations } = server.ledger
      return {
        redemptions: redemptions.length,
        reuses: reuses.length,
        refusals: refusals.length,
        revocations: revocations.length
      }
    }),
    /** Every secret that the server knows, looked for in every file, also where base64 hides it. */
    leaks: Effect.sync(() =>
      LeakCheck.find(
        server.ledger.secrets,
        [...SealedHomes.snapshot(harness.home)].flatMap(([where, text]) => [
          { where, text, permitted: [] },
          ...[0, 1, 2, 3].map((at) => ({
            where,
            text: Buffer.from(text.slice(text.indexOf("\n") + 1 + at), "base64").toString("latin1"),
            permitted: []
          }))
        ])
      )
    )
  }
})

describe("processes with a sealed home", () => {
  it.scopedLive(
    "find one expired login: one redeems, and all have its token",
    () =>
      Effect.gen(function*() {
        const { counts, harness, leaks, server, worker } = yield* stage
        const workers = yield* Effect.forEach(Array.from({ length: 8 }), () => worker(), { concurrency: 4 })
        const outcomes = yield* Effect.forEach(workers, (one) => one.run(COMMAND), { concurrency: "unbounded" })
        deepStrictEqual(outcomes.map(({ event }) => event), Array.from({ length: 8 }, () => "done"))
        assert.strictEqual(new Set(outcomes.map(({ result }) => result!["accessToken"])).size, 1)
        deepStrictEqual(yield* counts, ONCE)
        assert.strictEqual(server.ledger.redemptions.length, 1)
        deepStrictEqual(yield* leaks, [])
        yield* harness.assertNoLeak
      }),
    180_000
  )

  for (
    const stop of [
      { span: "lockstep.file.write", at: "end", within: "lockstep.refresh.reserve" },
      { span: "lockstep.refresh.redeem", at: "start" },
      { span: "lockstep.refresh.capture", at: "end" },
      { span: "lockstep.refresh.consumed", at: "end" },
      { span: "lockstep.file.sync", at: "start", within: "lockstep.refresh.persist" },
      { span: "lockstep.file.rename", at: "start", within: "lockstep.refresh.persist" },
      { span: "lockstep.file.rename", at: "end", within: "lockstep.refresh.persist" },
      { span: "lockstep.refresh.settle", at: "end" }
    ] as const
  ) {
    const where = "within" in stop ? `${stop.within.slice(17)}: ${stop.span.slice(9)}` : stop.span.slice(17)
    it.scopedLive(
      `leave no token behind when one is killed (${where} ${stop.at}), and lose none, also when the key changes then`,
      () =>
        Effect.gen(function*() {
          const { counts, harness, leaks, opened, worker } = yield* stage
          const victim = yield* worker({ ...stop, signal: "SIGKILL" })
          yield* victim.begin(COMMAND)
          yield* victim.stopping
          assert.strictEqual((yield* victim.child.exit).signal, "SIGKILL")
          deepStrictEqual(yield* leaks, [])
          yield* Effect.provide(KeyRotation.rotate, opened.context)
          deepStrictEqual(yield* leaks, [])
          assert.strictEqual((yield* (yield* worker()).run(COMMAND)).event, "done")
          deepStrictEqual(yield* counts, ONCE)
          assert.strictEqual((yield* Effect.flatten(opened.store.get(AGENT))).credential.generation, 2)
          deepStrictEqual(yield* leaks, [])
          yield* harness.assertNoLeak
        }),
      60_000
    )
  }
})
