/**
 * One home in which every login is in another situation, and all that the command says about each of them.
 *
 * `token`, `token --no-refresh`, `status`, `doctor` and `login` are five looks at one judgement: none of them may say
 * something else than the others.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Host from "@lockstep/core/Host"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import { TokenGrant } from "@lockstep/core/TokenGrant"
import * as FileHome from "@lockstep/node/FileHome"
import * as FakeToken from "@lockstep/testkit/FakeToken"
import * as SeededHome from "@lockstep/testkit/processes/SeededHome"
import * as AuthorizationServer from "@lockstep/testkit/servers/AuthorizationServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type * as Finding from "../src/doctor/Finding.js"
import * as FixedClock from "./support/FixedClock.js"
import * as InProcess from "./support/InProcess.js"

const HOUR = 3600

type Issued = Effect.Effect.Success<ReturnType<typeof SeededHome.issue>>

/** What is given to a situation: the fingerprint of its refresh token and the time in milliseconds. */
interface Given {
  readonly fingerprint: string
  readonly now: number
}

interface Situation {
  /** Members of the record that differ from those of a login that expired an hour ago. */
  readonly record?: (now: number) => Partial<Record<string, unknown>>
  readonly journal?: (given: Given) => Partial<ConstructorParameters<typeof RefreshJournal.JournalRecord>[0]>
  /** An answer that was kept and is not stored. */
  readonly keeps?: boolean
  /** Exit codes. */
  readonly token: number
  readonly peek: number
  readonly check: number
  readonly login: number
  readonly state: string
  readonly reason?: string
  readonly waits?: boolean
  /** Codes of the doctor's findings about it. */
  readonly doctor: ReadonlyArray<string>
}

const left = (seconds: number) => (now: number) => ({
  obtained_at: Math.floor(now / 1000) - 3 * HOUR,
  expires_at: Math.floor(now / 1000) + seconds
})

const without = (now: number) => ({ refresh_token: undefined, ...left(-60)(now) })

const by = Host.ProcessIdentity.make({ pid: 4_194_304, startTime: "0", bootId: "another", command: "gone" })

const intent = (
  { fingerprint, now }: Given,
  changes: { readonly state?: "sending" | "consumed"; readonly sends: number }
) => ({
  intent: Option.some(RefreshJournal.Intent.make({
    attempt: "attempt",
    version: "1",
    fingerprint,
    state: "sending",
    ambiguous: false,
    at: now - 60_000,
    endedAt: Option.some(now - 60_000),
    by,
    ...changes
  }))
})

const mark = ({ fingerprint, now }: Given) => ({
  mark: Option.some(
    RefreshJournal.Mark.make({ fingerprint, reason: "InvalidGrant", detail: Option.none(), at: now - 1_000 })
  )
})

const rest = ({ fingerprint, now }: Given) => ({
  rest: Option.some(RefreshJournal.Rest.make({ fingerprint, setAt: now - 1_000, until: now + 60_000 }))
})

const cooldown = (source: "server" | "backoff") => ({ now }: Given) => ({
  cooldown: Option.some(
    RefreshJournal.Cooldown.make({ setAt: now - 1_000, until: now + 600_000, source, failures: 1 })
  )
})

const ENDED = { token: 3, peek: 3, check: 3, login: 0, state: "needs_login", doctor: ["login_needed"] }

const situations: Readonly<Record<string, Situation>> = {
  "fresh": { record: left(HOUR), token: 0, peek: 0, check: 0, login: 2, state: "fresh", doctor: [] },
  "inside the margin": { record: left(60), token: 0, peek: 0, check: 0, login: 2, state: "expiring", doctor: [] },
  "expired": { token: 0, peek: 5, check: 0, login: 2, state: "expired", doctor: [] },
  "marked": { journal: mark, reason: "InvalidGrant", ...ENDED },
  "marked, fresh": {
    record: left(HOUR),
    journal: mark,
    token: 0,
    peek: 0,
    check: 0,
    login: 0,
    state: "fresh",
    reason: "InvalidGrant",
    doctor: ["login_needed"]
  },
  "marked, inside the margin": {
    record: left(60),
    journal: mark,
    token: 0,
    peek: 0,
    check: 0,
    login: 0,
    state: "expiring",
    reason: "InvalidGrant",
    doctor: ["login_needed"]
  },
  "a retired snapshot": {
    journal: ({ fingerprint, now }) => ({
      retired: [RefreshJournal.Retired.make({ fingerprint, generation: 2, at: now - 1_000 })]
    }),
    reason: "Stale",
    ...ENDED
  },
  "consumed and lost": {
    journal: (given) => intent(given, { state: "consumed", sends: 0 }),
    reason: "RotationLost",
    ...ENDED
  },
  "unknown once": {
    journal: (given) => intent(given, { sends: 1 }),
    token: 0,
    peek: 5,
    check: 0,
    login: 2,
    state: "expired",
    doctor: ["intent_open"]
  },
  "unknown twice": { journal: (given) => intent(given, { sends: 2 }), reason: "OutcomeUnknown", ...ENDED },
  "resting": {
    record: left(60),
    journal: rest,
    token: 0,
    peek: 0,
    check: 0,
    login: 0,
    state: "expiring",
    waits: true,
    doctor: ["cooldown"]
  },
  "asked by the server to wait": {
    journal: cooldown("server"),
    token: 5,
    peek: 5,
    check: 0,
    login: 2,
    state: "cooldown",
    waits: true,
    doctor: ["cooldown"]
  },
  "waiting after a failure": {
    journal: cooldown("backoff"),
    token: 5,
    peek: 5,
    check: 0,
    login: 2,
    state: "cooldown",
    // A person passes our own backoff; what is told is what a program runs into.
    waits: true,
    doctor: ["cooldown"]
  },
  "an answer that was kept": {
    journal: (given) => intent(given, { state: "consumed", sends: 0 }),
    keeps: true,
    token: 0,
    peek: 5,
    check: 0,
    login: 2,
    state: "expired",
    doctor: ["answer_waiting"]
  },
  "no refresh token": { record: without, reason: "NoRefreshToken", ...ENDED },
  "no refresh token, fresh": {
    record: (now) => ({ ...without(now), ...left(HOUR)(now) }),
    token: 0,
    peek: 0,
    check: 0,
    login: 2,
    state: "fresh",
    reason: "NoRefreshToken",
    doctor: []
  },
  "no refresh token, no expiry": {
    record: () => ({ refresh_token: undefined, expires_at: undefined }),
    token: 0,
    peek: 0,
    check: 0,
    login: 2,
    state: "fresh",
    doctor: []
  },
  "a login that has ended": {
    record: (now) => ({ login_expires_at: Math.floor(now / 1000) - 60 }),
    reason: "LoginExpired",
    ...ENDED
  },
  "a registration that has ended": {
    record: (now) => ({ client_secret_expires_at: Math.floor(now / 1000) - 60 }),
    reason: "RegistrationExpired",
    ...ENDED
  },
  "a damaged journal": { token: 6, peek: 6, check: 6, login: 2, state: "damaged", doctor: ["error"] }
}

const names = Object.keys(situations)
const tenantOf = (name: string) => TenantId.make(name.replaceAll(/\W+/g, "-"))

const answerOf = (fingerprint: string, now: number) =>
  RefreshJournal.CapturedAnswer.make({
    attempt: "attempt",
    fingerprint,
    obtainedAt: Math.floor(now / 1000) - 1,
    grant: TokenGrant.make({
      accessToken: Redacted.make("lockstep-at-kept"),
      refreshToken: Option.some(Redacted.make("lockstep-rt-kept")),
      idToken: Option.none(),
      tokenType: Option.none(),
      scope: Option.none(),
      expiresAt: Option.some(Math.floor(now / 1000) + HOUR),
      loginExpiresAt: Option.none(),
      account: Option.none()
    })
  })

const homeOf = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "lockstep-agreement-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

/** Writes the home: every login is issued by a server that would take its refresh token once. */
const seed = (home: string, server: AuthorizationServer.AuthorizationServer, now: number) =>
  Effect.gen(function*() {
    const issued: Record<string, Issued> = {}
    for (const name of names) issued[name] = yield* SeededHome.issue(server, tenantOf(name))
    yield* SeededHome.write(
      home,
      names.map((name) => ({ ...issued[name]!, ...situations[name]!.record?.(now) }) as Issued)
    )
    const journal = yield* RefreshJournal.RefreshJournal
    for (const name of names) {
      const { journal: changes, keeps } = situations[name]!
      const tenant = tenantOf(name)
      const fingerprint = FakeToken.fingerprint(issued[name]!.refresh_token)
      if (changes !== undefined) {
        yield* journal.write(
          tenant,
          RefreshJournal.JournalRecord.make({ ...RefreshJournal.empty(tenant), ...changes({ fingerprint, now }) })
        )
      }
      if (keeps === true) yield* journal.keepAnswer(tenant, answerOf(fingerprint, now))
    }
    writeFileSync(join(home, "auth.json.refresh.a-damaged-journal.json"), "{", { mode: 0o600 })
  }).pipe(
    Effect.provide(Layer.provide(FileHome.layer({ directory: home }), RefreshPolicy.layerDefaults)),
    Effect.orDie
  )

interface Row {
  readonly tenant: string
  readonly state: string
  readonly reason?: string | null
  readonly cooldown_until?: number | null
}

interface Report {
  readonly checks: ReadonlyArray<Finding.Checked>
}

/** What the doctor tells of every login: its life, its holder, its unfinished attempt. */
const ALWAYS = new Set(["lineage", "holder", "login_pending", "shadowed"])

describe("a login in each situation", () => {
  it.scopedLive(
    "is told the same by token, --no-refresh, status, doctor and login",
    () =>
      Effect.gen(function*() {
        const server = yield* AuthorizationServer.make()
        const home = yield* homeOf
        const now = Date.now()
        yield* seed(home, server, now)
        // On a busy machine the whole takes minutes, and what has a minute left must not end meanwhile.
        const run = (...line: ReadonlyArray<string>) =>
          Effect.withClock(InProcess.run(home, ...line), FixedClock.make(now))

        const status = yield* run("status", "--json")
        const rows = (JSON.parse(status.stdout) as { readonly tenants: ReadonlyArray<Row> }).tenants
        const report = JSON.parse((yield* run("doctor", "--json", "--offline")).stdout) as Report
        const findings = report.checks.flatMap((one) => one.findings)
        const requests = server.ledger.redemptions.length

        const told: Record<string, unknown> = {}
        const expected: Record<string, unknown> = {}
        for (const name of names) {
          const { check, doctor, login, peek, reason, state, token, waits } = situations[name]!
          const tenant = tenantOf(name)
          const row = rows.find((one) => one.tenant === tenant)!
          const peeked = yield* run("token", tenant, "--no-refresh", "--json")
          told[name] = {
            state: row.state,
            reason: row.reason ?? undefined,
            waits: (row.cooldown_until ?? undefined) !== undefined,
            doctor: findings.flatMap((one) => one.tenant === tenant && !ALWAYS.has(one.code) ? [one.code] : []),
            check: (yield* run("status", tenant, "--check")).code,
            peek: peeked.code,
            login: (yield* run("login", tenant, "--no-browser")).code,
            // Last, because it changes what the others look at.
            token: (yield* run("token", tenant)).code
          }
          expected[name] = { state, reason, waits: waits ?? false, doctor, check, peek, login, token }
          if (peek === 3) {
            const { error } = JSON.parse(peeked.stdout) as { readonly error: { readonly reason: string } }
            assert.strictEqual(error.reason, reason, name)
          }
        }
        assert.deepStrictEqual(told, expected)
        // Nothing was asked of the server before `token` was: neither by a look nor by a login that only begins.
        assert.strictEqual(requests, 0)
      })
  )

  it.scopedLive("that is damaged itself", () =>
    Effect.gen(function*() {
      const home = yield* homeOf
      const record = { access_token: "lockstep-at-x", expires_at: "tomorrow" }
      const healthy = { access_token: "lockstep-at-y", expires_at: Math.floor(Date.now() / 1000) + HOUR }
      writeFileSync(join(home, "auth.json"), JSON.stringify({ version: 1, tenants: { codex: record, healthy } }), {
        mode: 0o600
      })
      const before = readFileSync(join(home, "auth.json"), "utf8")
      const run = (...line: ReadonlyArray<string>) => InProcess.run(home, ...line)
      for (
        const line of [["token", "codex"], ["token", "codex", "--no-refresh"], ["status", "codex", "--check"], [
          "login",
          "codex",
          "--no-browser"
        ]]
      ) {
        assert.strictEqual((yield* run(...line)).code, 6, line.join(" "))
      }
      const { tenants } = JSON.parse((yield* run("status", "--json")).stdout) as { tenants: ReadonlyArray<Row> }
      assert.deepStrictEqual(tenants.map(({ state, tenant }) => [tenant, state]), [["codex", "damaged"], [
        "healthy",
        "fresh"
      ]])
      assert.strictEqual((yield* run("doctor", "--offline")).code, 1)
      assert.strictEqual((yield* run("token", "healthy")).code, 0)
      assert.strictEqual(readFileSync(join(home, "auth.json"), "utf8"), before)
      assert.deepStrictEqual(readdirSync(home), ["auth.json"])
    }))
})
