/**
 * Many real processes log in, log out and refresh one tenant in random order. The order is a function of its seed;
 * `LOCKSTEP_SEED` chooses another one.
 */
import { assert, describe, it } from "@effect/vitest"
import { JournalRecord, type Outcome } from "@lockstep/core/RefreshJournal"
import * as JsonWebToken from "@lockstep/oauth/JsonWebToken"
import * as ProcessHarness from "@lockstep/testkit/processes/ProcessHarness"
import * as RemoteWorker from "@lockstep/testkit/processes/RemoteWorker"
import type { WorkerCommand } from "@lockstep/testkit/processes/WorkerCommand"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import { fingerprint, type SecretKind, type TokenLedger } from "@lockstep/testkit/servers/TokenLedger"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"

const TENANT = "agent"
const PROCESSES = 20
const ROUNDS = 6
const PERSONS = 2
/** Over so many milliseconds the processes of a round begin. */
const SPREAD = 400
const SEED = Number(process.env["LOCKSTEP_SEED"] ?? 20_260_301)

/** One record as a process saw it. */
interface Sight {
  readonly generation: number
  readonly account: string | null
  readonly accessToken: string
  readonly refreshToken: string
}

const decodeJournal = Schema.decodeUnknownSync(Schema.parseJson(JournalRecord))

/** What the record of `auth.json` says. */
const look = (file: string) => {
  if (!existsSync(file)) return null
  const { tenants } = JSON.parse(readFileSync(file, "utf8")) as {
    readonly tenants: Record<string, {
      readonly access_token: string
      readonly refresh_token: string
      readonly id_token: string
      readonly account: { readonly id: string }
      readonly generation: number
    }>
  }
  const record = tenants[TENANT]
  if (record === undefined) return null
  const sight: Sight = {
    generation: record.generation,
    account: record.account.id,
    accessToken: fingerprint(record.access_token),
    refreshToken: fingerprint(record.refresh_token)
  }
  return { sight, record }
}

/** The answers of the token endpoint: the ledger enters the tokens of each together, the access token first. */
const answersOf = ({ secrets }: TokenLedger) => {
  const answers = new Map<string, Partial<Record<SecretKind, string>>>()
  let answer: Partial<Record<SecretKind, string>> = {}
  for (const { kind, value } of secrets) {
    if (kind === "access_token") answers.set(value, answer = {})
    answer[kind] = value
  }
  return answers
}

/** What a worker may answer when others log in and out around it. */
const isExpected = ({ _tag }: WorkerCommand, { error, event }: RemoteWorker.Outcome): boolean => {
  if (event === "done") return true
  if (_tag === "Login") return error?.["_tag"] === "CredentialExists"
  return (_tag === "Refresh" || _tag === "AccessToken") &&
    ["NotFound", "Removed", "Superseded"].includes(String(error?.["reason"]))
}

describe("login, logout and refresh of one tenant by 20 processes", () => {
  it.scopedLive(`mix no two logins and bring none back (seed ${SEED})`, () =>
    Effect.gen(function*() {
      const server = yield* AuthorizationServer.make()
      const harness = yield* ProcessHarness.make({ secrets: () => server.ledger.secrets })
      const file = join(harness.home, "auth.json")
      const workers = yield* Effect.replicateEffect(RemoteWorker.spawn(harness), PROCESSES)

      const accountOf = new Map<string, string>()
      const seen: Array<NonNullable<ReturnType<typeof look>>> = []
      const watch = Effect.sync(() => {
        const found = look(file)
        if (found !== null) seen.push(found)
      })
      yield* Effect.forkScoped(Effect.repeat(watch, Schedule.spaced("4 millis")))

      const draw: Effect.Effect<WorkerCommand> = Effect.gen(function*() {
        const dice = yield* Random.nextIntBetween(0, 20)
        if (dice < 5) {
          return {
            _tag: "Login",
            tenant: TENANT,
            issuer: server.issuer,
            clientId: server.clientId,
            redirectUri: server.redirectUri,
            account: `person-${yield* Random.nextIntBetween(0, PERSONS)}`,
            replace: (yield* Random.nextIntBetween(0, 4)) > 0
          }
        }
        if (dice < 7) return { _tag: "Remove", tenant: TENANT, revoke: yield* Random.nextBoolean }
        return dice < 17
          ? { _tag: "Refresh", tenant: TENANT, acceptRisk: false }
          : { _tag: "AccessToken", tenant: TENANT }
      })

      const served = new Map<number, string>()
      const history: Array<Outcome> = []
      const counts: Record<string, number> = {}
      for (let round = 0; round < ROUNDS; round++) {
        const commands = yield* Effect.replicateEffect(draw, PROCESSES)
        const delays = yield* Effect.replicateEffect(Random.nextIntBetween(0, SPREAD), PROCESSES)
        const outcomes = yield* Effect.forEach(
          commands,
          (command, index) => Effect.delay(workers[index]!.run(command), delays[index]!),
          { concurrency: "unbounded" }
        )
        for (const [index, outcome] of outcomes.entries()) {
          const command = commands[index]!
          assert.isTrue(isExpected(command, outcome), JSON.stringify([SEED, round, command, outcome]))
          const key = `${command._tag} ${outcome.event}`
          counts[key] = (counts[key] ?? 0) + 1
          if (outcome.event !== "done" || command._tag === "Remove") continue
          const result = outcome.result as unknown as Sight
          assert.strictEqual(served.get(result.generation) ?? result.accessToken, result.accessToken)
          served.set(result.generation, result.accessToken)
          if (command._tag === "Login") {
            assert.strictEqual(result.account, command.account)
            accountOf.set(result.refreshToken, command.account)
          }
        }
        const { outcomes: noted } = decodeJournal(
          readFileSync(join(harness.home, `auth.json.refresh.${TENANT}.json`), "utf8")
        )
        const last = history.at(-1)
        const known = last === undefined
          ? noted.length
          : noted.findIndex((one) => JSON.stringify(one) === JSON.stringify(last))
        assert.isAtLeast(known, 0, "the journal forgot a whole round")
        history.push(...noted.slice(0, known).reverse())
      }

      // The journal tells every change: each begins where the one before ended, one generation later.
      let present: { readonly token: string | null; readonly generation: number } = { token: null, generation: 0 }
      for (const { from, generation, outcome, to } of history) {
        const told = `${outcome} ${generation}, seed ${SEED}`
        assert.include(["login", "granted", "logout"], outcome)
        assert.strictEqual(Option.getOrNull(from), present.token, told)
        assert.strictEqual(generation, present.generation + (outcome === "logout" ? 0 : 1), told)
        present = { token: Option.getOrNull(to), generation }
      }

      for (const { accountId, successor } of server.ledger.redemptions) accountOf.set(successor, accountId)
      const answers = answersOf(server.ledger)
      let generation = 0
      for (const { record, sight } of seen) {
        const { id_token: idToken, refresh_token: refreshToken } = answers.get(record.access_token) ?? {}
        assert.deepStrictEqual(
          [
            refreshToken === record.refresh_token,
            idToken === record.id_token,
            Option.exists(JsonWebToken.claims(record.id_token), ({ sub }) => sub === sight.account),
            accountOf.get(sight.refreshToken) === sight.account
          ],
          [true, true, true, true],
          `a mixed record: ${JSON.stringify(sight)}, seed ${SEED}`
        )
        assert.strictEqual(served.get(sight.generation) ?? sight.accessToken, sight.accessToken)
        assert.isAtLeast(sight.generation, generation, `an older record came back, seed ${SEED}`)
        generation = sight.generation
      }

      const final = look(file)
      assert.strictEqual(final?.sight.refreshToken ?? null, present.token)
      if (final !== null) assert.isTrue(yield* server.isActive(final.record.refresh_token))
      assert.deepStrictEqual([server.ledger.reuses, server.ledger.refusals], [[], []])
      for (const key of ["Login done", "Login failed", "Remove done", "Refresh done", "AccessToken done"]) {
        assert.isAbove(counts[key] ?? 0, 0, key)
      }
      assert.isAbove(server.ledger.redemptions.length, 0)
      assert.isAbove(seen.length, ROUNDS)
      yield* harness.assertNoLeak
    }).pipe(Effect.withRandom(Random.make(SEED))), 240_000)
})
