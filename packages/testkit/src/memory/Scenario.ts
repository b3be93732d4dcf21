/** What most scenes of the transaction begin with, and the words in which they end. */
import type { AccessToken } from "@lockstep/core/AccessToken"
import * as Credential from "@lockstep/core/Credential"
import type { CredentialExists, RefreshError } from "@lockstep/core/Errors"
import * as Fingerprint from "@lockstep/core/Fingerprint"
import type { RefreshEvent } from "@lockstep/core/RefreshCoordinator"
import { CapturedAnswer, Cooldown, Intent, JournalRecord, Mark } from "@lockstep/core/RefreshJournal"
import { RedeemAnswer } from "@lockstep/core/TokenEndpoint"
import { TokenGrant } from "@lockstep/core/TokenGrant"
import * as MemoryMachine from "@lockstep/testing/MemoryMachine"
import type * as ScriptedTokenEndpoint from "@lockstep/testing/ScriptedTokenEndpoint"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"

type Fields = Partial<ConstructorParameters<typeof Credential.Credential>[0]>

/** Expired as soon as the clock has left the epoch behind. */
export const EXPIRED: Fields = { expiresAt: Option.some(1), obtainedAt: Option.some(0.5) }

/** Valid for so many seconds from now, of a lifetime of one hour. */
export const validFor = (seconds: number): Effect.Effect<Fields> =>
  Effect.map(Clock.currentTimeMillis, (now) => ({
    expiresAt: Option.some(now / 1_000 + seconds),
    obtainedAt: Option.some(now / 1_000 + seconds - 3_600)
  }))

/** A login of an account. */
export const of = (id: string): Fields => ({
  account: Option.some(Credential.Account.make({ id: Option.some(id), label: Option.none() }))
})

/** The server's word for a grant that is dead. */
export const INVALID_GRANT: ScriptedTokenEndpoint.Behaviour = {
  _tag: "Answer",
  answer: RedeemAnswer.Terminal({ reason: "InvalidGrant", detail: "invalid_grant" })
}

/** Sent, and no answer was read; the server never saw it. */
export const LOST: ScriptedTokenEndpoint.Behaviour = {
  _tag: "Answer",
  answer: RedeemAnswer.Unknown({ detail: "connection reset", answered: false })
}

/** Not a byte was sent. */
export const NEVER_SENT: ScriptedTokenEndpoint.Behaviour = {
  _tag: "Answer",
  answer: RedeemAnswer.NeverSent({ detail: "ECONNREFUSED" })
}

/** 429, with the server's own time where it names one. Seconds. */
export const rateLimited = (retryAfter?: number): ScriptedTokenEndpoint.Behaviour => ({
  _tag: "Answer",
  answer: RedeemAnswer.RateLimited({
    retryAfter: Option.map(Option.fromNullable(retryAfter), (seconds) => seconds * 1_000),
    detail: "429"
  })
})

/** 503. */
export const SERVER_ERROR: ScriptedTokenEndpoint.Behaviour = {
  _tag: "Answer",
  answer: RedeemAnswer.ServerError({ retryAfter: Option.none(), detail: "503" })
}

/** An error as one word: its tag and its reason. */
export const told = (error: RefreshError | CredentialExists): string =>
  "reason" in error ? `${error._tag}(${error.reason})` : error._tag

/** The word for what an effect fails with, and for none: an unexpected success is compared as plain text, too. */
export const failing = <A>(effect: Effect.Effect<A, RefreshError | CredentialExists>): Effect.Effect<string> =>
  Effect.match(effect, { onSuccess: () => "success", onFailure: told })

/** How a call ended: the value of the access token, or the word for its error. */
export const outcome = (call: Effect.Effect<AccessToken, RefreshError>): Effect.Effect<string> =>
  Effect.match(call, { onSuccess: MemoryMachine.valueOf, onFailure: told })

/** Lets every fiber go on until it waits. */
export const untilAllWait: Effect.Effect<void> = TestClock.adjust(0)

/**
 * One more process on the machine. A request that hangs holds up the end of its process until the bound of a redemption
 * has passed: so the clock goes on when the scene is over.
 */
export const processOn = (machine: MemoryMachine.MemoryMachine, clock?: Clock.Clock) =>
  Effect.tap(
    clock === undefined ? machine.process : Effect.withClock(machine.process, clock),
    () => Effect.addFinalizer(() => TestClock.adjust("1 minute"))
  )

/** A process, what it logs as warnings, and what it tells those who listen. */
export const observed = (machine: MemoryMachine.MemoryMachine) =>
  Effect.gen(function*() {
    const warnings: Array<string> = []
    const events: Array<RefreshEvent> = []
    const logger = Logger.make<unknown, void>(({ annotations, logLevel, message }) => {
      if (logLevel._tag === "Warning") warnings.push(`${String(message)} ${HashMap.size(annotations)}`)
    })
    const coordinator = yield* Effect.provide(processOn(machine), Logger.replace(Logger.defaultLogger, logger))
    yield* Effect.forkScoped(Stream.runForEach(coordinator.changes, (event) => Effect.sync(() => events.push(event))))
    yield* untilAllWait
    return {
      events,
      warnings,
      accessToken: Effect.provide(
        coordinator.accessToken(MemoryMachine.tenant),
        Logger.replace(Logger.defaultLogger, logger)
      )
    }
  })

/** A machine with one expired login, some time after the epoch. */
export const expiredLogin = (options?: MemoryMachine.Options, fields?: Fields) =>
  Effect.gen(function*() {
    const machine = yield* MemoryMachine.make(options)
    yield* machine.write(MemoryMachine.tenant, machine.server.issue({ ...EXPIRED, ...fields }))
    yield* TestClock.adjust("1 hour")
    return machine
  })

/** A machine with a login whose access token is inside the margin: worth a refresh, and still valid. */
export const agingLogin = (options?: MemoryMachine.Options, fields?: Fields) =>
  Effect.gen(function*() {
    const machine = yield* MemoryMachine.make(options)
    yield* TestClock.adjust("1 hour")
    yield* machine.write(MemoryMachine.tenant, machine.server.issue({ ...(yield* validFor(60)), ...fields }))
    return machine
  })

export const fingerprintOf = (machine: MemoryMachine.MemoryMachine, token: string): string =>
  Fingerprint.of(machine.host, Redacted.make(token))

/** An answer to the refresh token of a machine's first login that was never stored. */
export const keep = (machine: MemoryMachine.MemoryMachine) =>
  machine.journal.keepAnswer(
    MemoryMachine.tenant,
    CapturedAnswer.make({
      attempt: "died",
      fingerprint: fingerprintOf(machine, "lockstep-rt-0"),
      obtainedAt: 1,
      grant: TokenGrant.make({
        accessToken: Redacted.make("lockstep-at-kept"),
        refreshToken: Option.some(Redacted.make("lockstep-rt-kept")),
        idToken: Option.none(),
        tokenType: Option.none(),
        scope: Option.none(),
        expiresAt: Option.none(),
        loginExpiresAt: Option.none(),
        account: Option.none()
      })
    })
  )

/** A journal in which everything stands against another refresh. */
export const burden = (machine: MemoryMachine.MemoryMachine) =>
  Effect.gen(function*() {
    const { version } = Option.getOrThrow(yield* machine.store.get(MemoryMachine.tenant))
    const fingerprint = fingerprintOf(machine, "lockstep-rt-0")
    yield* machine.journal.write(
      MemoryMachine.tenant,
      JournalRecord.make({
        ...(yield* machine.journal.read(MemoryMachine.tenant)),
        intent: Option.some(Intent.make({
          attempt: "died",
          version,
          fingerprint,
          state: "sending",
          sends: 2,
          ambiguous: false,
          at: 0,
          endedAt: Option.none(),
          by: machine.host.self
        })),
        cooldown: Option.some(Cooldown.make({ setAt: 0, until: 86_400_000, source: "server", failures: 3 })),
        mark: Option.some(Mark.make({ fingerprint, reason: "InvalidGrant", detail: Option.none(), at: 0 }))
      })
    )
    yield* keep(machine)
  })
