/**
 * What every `Custody` promises.
 *
 * Each test sees one custody through two views, as two processes do.
 *
 * @since 0.1.0
 */
import { assert, describe, it } from "@effect/vitest"
import { assertEquals, deepStrictEqual } from "@effect/vitest/utils"
import * as Credential from "@lockstep/core/Credential"
import { type Custody, Hold, type Taken } from "@lockstep/core/Custody"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import type * as TenantId from "@lockstep/core/TenantId"
import { Change } from "@lockstep/core/WritableStore"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Credentials from "./credentials.js"
import { everything, type Holds } from "./CredentialStoreContract.js"
import * as Custodies from "./custodies.js"
import { answer, fullRecord } from "./journals.js"

type Service = Custody["Type"]

/**
 * Two views of one custody, and what a test may do to it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stage {
  readonly custody: Service
  readonly other: Service
  /** Takes the tenant away from its holder, which is not told; left out where a lock dies with its holder alone. */
  readonly overtake?: (tenant: TenantId.TenantId) => Effect.Effect<void>
  /** How the next one then takes it. */
  readonly overtaken?: Taken
  /**
   * Makes every write of a tenant's journal fail, and answers with how to mend it; left out where one transaction writes
   * both.
   */
  readonly breakJournal?: (tenant: TenantId.TenantId) => Effect.Effect<Effect.Effect<void>>
  /** Makes the journal of a tenant unreadable. */
  readonly damageJournal?: (tenant: TenantId.TenantId) => Effect.Effect<void>
}

const withoutRecord: Change<void> = Change.Remove({ value: undefined })

/**
 * Registers the contract's tests. `makeStage` answers with an empty custody that no other process uses.
 *
 * @since 0.1.0
 * @category testing
 */
export const custodyContract = <E>(
  name: string,
  makeStage: Effect.Effect<Stage, E, Scope.Scope>,
  { fit, grants = false, tenants: [CODEX, LINEAR] }: Holds = everything
): void => {
  const credential = (generation: number, fields: Partial<Credential.Credential> = {}) =>
    fit(Credentials.credential(generation, fields))
  const onStage = <A, F>(use: (stage: Stage) => Effect.Effect<A, F, Scope.Scope>) => Effect.flatMap(makeStage, use)
  const stored = (custody: Service) => Effect.flatMap(custody.read(CODEX), ({ stored }) => stored)
  const isHeld = (custody: Service, tenant = CODEX) =>
    Effect.map(
      Effect.exit(Effect.scoped(custody.hold(tenant, { timeout: Duration.millis(1) }))),
      Exit.isFailure
    )

  describe(`Custody contract: ${name}`, () => {
    it.scopedLive("of a tenant that nothing is known of nothing is read, with and without holding it", () =>
      onStage(({ custody, other }) =>
        Effect.gen(function*() {
          const held = yield* Custodies.hold(custody, CODEX)
          assert.strictEqual(held.taken, "free")
          for (const read of [held.read(), other.read(CODEX)]) {
            const { journal, kept, stored } = yield* read
            assertEquals(stored, Option.none())
            assertEquals(kept, Option.none())
            deepStrictEqual(journal, RefreshJournal.empty(CODEX))
          }
        })
      ))

    it.scopedLive("a tenant is held once, until the scope ends, whatever it ends with", () =>
      onStage(({ custody, other }) =>
        Effect.gen(function*() {
          for (const ending of [Effect.void, Effect.fail("failed"), Effect.die("died"), Effect.interrupt]) {
            yield* Effect.exit(Effect.scoped(Effect.gen(function*() {
              yield* Custodies.hold(custody, CODEX)
              for (const view of [custody, other]) assert.isTrue(yield* isHeld(view))
              yield* ending
            })))
            assert.isFalse(yield* isHeld(other))
          }
        })
      ))

    it.scopedLive("a wait ends with LockTimeout, which names the tenant, and its holder stays", () =>
      onStage(({ custody, other }) =>
        Effect.gen(function*() {
          yield* Custodies.hold(custody, CODEX)
          const error = yield* Effect.flip(
            Effect.scoped(other.hold(CODEX, { timeout: Duration.millis(50) }))
          )
          assert.strictEqual(error._tag, "LockTimeout")
          assert.strictEqual((error as { readonly lock?: string }).lock, CODEX)
          assert.isTrue(yield* isHeld(other))
        })
      ))

    it.scopedLive("a waiter goes on when the holder has gone, and finds what it wrote", () =>
      onStage(({ custody, other }) =>
        Effect.gen(function*() {
          const asked = yield* Deferred.make<void>()
          const inside = yield* Deferred.make<void>()
          const next = credential(1)
          const first = yield* Effect.fork(Effect.scoped(Effect.gen(function*() {
            const held = yield* Custodies.hold(custody, CODEX)
            yield* Deferred.succeed(inside, undefined)
            yield* Deferred.await(asked)
            yield* held.commit({
              act: "login",
              decide: () => Change.Put({ credential: next, value: () => undefined }),
              settle: () => Option.none()
            })
          })))
          yield* Deferred.await(inside)
          const held = yield* Custodies.hold(other, CODEX, {
            look: Effect.as(Deferred.succeed(asked, undefined), Option.none<never>())
          })
          yield* Fiber.join(first)
          const found = yield* Effect.flatMap(held.read(), ({ stored }) => stored)
          assert.isTrue(Equal.equals(found.credential, next))
        })
      ))

    it.scopedLive("what is found makes holding needless, at once and while another process holds", () =>
      onStage(({ custody, other }) =>
        Effect.gen(function*() {
          const look = Effect.map(
            other.read(CODEX),
            ({ stored }) => Option.map(stored, (one) => one.credential.generation)
          )
          yield* Effect.scoped(Effect.gen(function*() {
            const held = yield* Custodies.hold(custody, CODEX)
            const waiting = yield* Deferred.make<void>()
            const waiter = yield* Effect.fork(Effect.scoped(other.hold(CODEX, {
              timeout: Duration.minutes(1),
              look: Effect.zipRight(Deferred.succeed(waiting, undefined), Effect.orDie(look))
            })))
            yield* Deferred.await(waiting)
            yield* held.commit({
              act: "login",
              decide: () => Change.Put({ credential: credential(7), value: () => undefined }),
              settle: () => Option.none()
            })
            deepStrictEqual(yield* Fiber.join(waiter), Hold.Found({ value: 7 }))
            const again = yield* Effect.scoped(other.hold(CODEX, { timeout: Duration.minutes(1), look }))
            deepStrictEqual(again, Hold.Found({ value: 7 }))
          }))
          assert.isFalse(yield* isHeld(custody))
        })
      ))

    it.scopedLive("a look that fails ends the wait, and an interrupted waiter holds nothing", () =>
      onStage(({ custody, other }) =>
        Effect.gen(function*() {
          yield* Effect.scoped(Effect.gen(function*() {
            yield* Custodies.hold(custody, CODEX)
            const failure = yield* Effect.flip(
              Effect.scoped(other.hold(CODEX, { timeout: Duration.minutes(1), look: Effect.fail("seen") }))
            )
            assert.strictEqual(failure, "seen")
            const waiting = yield* Deferred.make<void>()
            const waiter = yield* Effect.fork(Effect.scoped(other.hold(CODEX, {
              timeout: Duration.minutes(1),
              look: Effect.as(Deferred.succeed(waiting, undefined), Option.none<never>())
            })))
            yield* Deferred.await(waiting)
            assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(waiter)))
          }))
          assert.isFalse(yield* isHeld(custody))
        })
      ))

    if (LINEAR !== undefined) {
      it.scopedLive("logins of one rotation group are held one at a time", () =>
        onStage(({ custody, other }) =>
          Effect.gen(function*() {
            const rotationGroup = Option.some("https://id.example client")
            const timeout = Duration.millis(50)
            yield* Effect.scoped(Effect.gen(function*() {
              yield* Custodies.hold(custody, CODEX, { rotationGroup })
              const error = yield* Effect.flip(Effect.scoped(other.hold(LINEAR, { timeout, rotationGroup })))
              assert.strictEqual(error._tag, "LockTimeout")
            }))
            yield* Effect.scoped(Custodies.hold(other, LINEAR, { rotationGroup }))
          })
        ))
    }

    it.scopedLive("record, journal and kept answer are read as they were written, with and without holding", () =>
      onStage(({ custody, other }) =>
        Effect.gen(function*() {
          const written = yield* Custodies.login(custody, CODEX, credential(3))
          const full = fullRecord(CODEX)
          const kept = answer("attempt-7")
          const before = Date.now()
          yield* Effect.scoped(Effect.gen(function*() {
            const held = yield* Custodies.hold(custody, CODEX)
            yield* held.note(full)
            yield* held.capture(kept)
            for (const read of [held.read(), custody.read(CODEX), other.read(CODEX)]) {
              const evidence = yield* read
              const found = yield* evidence.stored
              assert.isTrue(Equal.equals(found.credential, written.credential))
              assert.strictEqual(found.version, written.version)
              deepStrictEqual(evidence.journal, full)
              assert.isTrue(Equal.equals(evidence.kept, Option.some(kept)))
              assert.isAtLeast(evidence.now, before)
            }
          }))
          assert.isTrue(Equal.equals((yield* other.read(CODEX)).kept, Option.some(kept)))
        })
      ))

    it.scopedLive("room that holds no answer is given back, and an answer is not", () =>
      onStage(({ custody, other }) =>
        Effect.gen(function*() {
          yield* Custodies.login(custody, CODEX, credential(1))
          yield* Effect.scoped(Effect.gen(function*() {
            const held = yield* Custodies.hold(custody, CODEX)
            yield* held.reserve(Option.some(4_096))
            assertEquals((yield* other.read(CODEX)).kept, Option.none())
            yield* held.reserve(Option.none())
          }))
          const kept = answer("attempt-1", 9_000)
          yield* Effect.scoped(Effect.gen(function*() {
            const held = yield* Custodies.hold(other, CODEX)
            yield* held.reserve(Option.some(64))
            yield* held.capture(kept)
          }))
          yield* Effect.scoped(Effect.gen(function*() {
            const held = yield* Custodies.hold(custody, CODEX)
            assert.isTrue(Equal.equals((yield* held.read()).kept, Option.some(kept)))
            const { journal } = yield* held.read()
            yield* held.note(journal, { discard: true })
            yield* held.note(journal, { discard: true })
          }))
          assertEquals((yield* other.read(CODEX)).kept, Option.none())
        })
      ))

    it.scopedLive("a request is announced over the token that is stored, and over no other", () =>
      onStage(({ custody, other }) =>
        Effect.gen(function*() {
          const first = yield* Custodies.login(custody, CODEX, credential(1))
          const held = yield* Custodies.hold(custody, CODEX)
          const evidence = yield* held.read()
          const intent = Option.some(Custodies.announced(evidence, first, "sending"))
          assert.isTrue(yield* held.begin(Option.none(), first))
          deepStrictEqual((yield* other.read(CODEX)).journal, evidence.journal)
          assert.isTrue(yield* held.begin(intent, first))
          deepStrictEqual(Option.some((yield* other.read(CODEX)).journal), intent)
          yield* held.note(evidence.journal)

          // The same token under another version: a change of metadata is no other login.
          yield* held.commit({
            act: "login",
            decide: () =>
              Change.Put({
                credential: Credential.Credential.make({ ...first.credential, generation: 2 }),
                value: () => undefined
              }),
            settle: () => Option.none()
          })
          assert.isTrue(yield* held.begin(Option.none(), first))
          for (const change of [Change.Put({ credential: credential(3), value: () => undefined }), withoutRecord]) {
            yield* held.commit({ act: "login", decide: () => change, settle: () => Option.none() })
            assert.isFalse(yield* held.begin(intent, first))
            deepStrictEqual((yield* other.read(CODEX)).journal, evidence.journal)
          }
        })
      ))

    it.scopedLive.runIf(grants)(
      "a request without a refresh token is announced over the proof that is stored",
      () =>
        onStage(({ custody, other }) =>
          Effect.gen(function*() {
            const proof = (generation: number, secret: string, idToken = "the-id-token") =>
              credential(generation, {
                grant: Option.some("client_credentials"),
                refreshToken: Option.none(),
                clientId: Option.some("bot"),
                clientSecret: Option.some(Redacted.make(secret)),
                idToken: Option.some(Redacted.make(idToken))
              })
            const first = yield* Custodies.login(custody, CODEX, proof(1, "its-secret"))
            const held = yield* Custodies.hold(custody, CODEX)
            const evidence = yield* held.read()
            const begun = held.begin(Option.some(Custodies.announced(evidence, first, "sending")), first)
            const put = (next: Credential.Credential) =>
              held.commit({
                act: "login",
                decide: () => Change.Put({ credential: next, value: () => undefined }),
                settle: () => Option.some({ journal: evidence.journal, discard: false })
              })
            assert.isTrue(yield* begun)
            // Neither has a refresh token, and the login is another one all the same.
            for (const next of [proof(2, "another-secret"), proof(3, "its-secret", "of-somebody-else")]) {
              yield* put(next)
              assert.isFalse(yield* begun)
              deepStrictEqual((yield* other.read(CODEX)).journal, evidence.journal)
            }
            // An access token that came meanwhile is no other login.
            yield* put(proof(4, "its-secret"))
            assert.isTrue(yield* begun)
          })
        )
    )

    it.scopedLive("a holder that was overtaken announces nothing, and its answer is stored all the same", () =>
      onStage(({ custody, other, overtake, overtaken }) =>
        Effect.gen(function*() {
          if (overtake === undefined) return
          const first = yield* Custodies.login(custody, CODEX, credential(1))
          const held = yield* Custodies.hold(custody, CODEX)
          const evidence = yield* held.read()
          const intent = Option.some(Custodies.announced(evidence, first, "sending"))
          yield* overtake(CODEX)
          assert.strictEqual((yield* Effect.flip(held.begin(intent, first))).reason, "Superseded")
          deepStrictEqual((yield* other.read(CODEX)).journal, evidence.journal)
          // What was redeemed before is still worth storing: the compare-and-swap says whether it may be.
          const late = yield* held.commit({
            act: "refresh",
            decide: () => Change.Put({ credential: credential(2), value: () => undefined }),
            settle: () => Option.none()
          })
          assert.isTrue(Either.isRight(late.settled))
          assert.strictEqual((yield* stored(other)).credential.generation, 2)
          if (overtaken !== undefined) {
            yield* Effect.scoped(Effect.map(Custodies.hold(other, CODEX), ({ taken }) => {
              assert.strictEqual(taken, overtaken)
            }))
          }
        })
      ))

    it.scopedLive("a commit stores, tells, settles and drops the answer, and decides on what is there", () =>
      onStage(({ custody, other }) =>
        Effect.gen(function*() {
          const first = yield* Custodies.login(custody, CODEX, credential(1))
          const held = yield* Custodies.hold(custody, CODEX)
          const evidence = yield* held.read()
          yield* held.capture(Custodies.answer)
          yield* held.note(Custodies.announced(evidence, first, "consumed"))
          const next = credential(2)
          const seen: Array<unknown> = []
          const { settled, value } = yield* held.commit({
            act: "refresh",
            decide: (current) => {
              seen.push(Option.map(current, ({ version }) => version))
              return Change.Put({ credential: next, value: ({ version }) => version })
            },
            onDurable: (version) =>
              Effect.map(Effect.orDie(Effect.either(stored(other))), (found) => {
                seen.push(Either.map(found, (one) => one.version === version))
              }),
            settle: () => Option.some({ journal: Custodies.settled(evidence, next.generation), discard: true })
          })
          deepStrictEqual(seen, [Option.some(first.version), Either.right(true)])
          assert.isTrue(Either.isRight(settled))
          const after = yield* other.read(CODEX)
          assert.strictEqual((yield* after.stored).version, value)
          deepStrictEqual(after.journal, Custodies.settled(evidence, next.generation))
          assertEquals(after.kept, Option.none())
        })
      ))

    it.scopedLive("a commit that keeps changes nothing, and one that removes leaves the journal as it is told", () =>
      onStage(({ custody, other }) =>
        Effect.gen(function*() {
          const first = yield* Custodies.login(custody, CODEX, credential(1))
          const held = yield* Custodies.hold(custody, CODEX)
          yield* held.capture(Custodies.answer)
          const before = yield* held.read()
          const kept = yield* held.commit({
            act: "refresh",
            decide: (current) => Change.Keep({ value: Option.isSome(current) }),
            settle: () => Option.none()
          })
          deepStrictEqual(kept, { value: true, settled: Either.void })
          const same = yield* other.read(CODEX)
          assert.strictEqual((yield* same.stored).version, first.version)
          deepStrictEqual(same.journal, before.journal)
          assert.isTrue(Equal.equals(same.kept, before.kept))
          for (const present of [true, false]) {
            const removed = yield* held.commit({
              act: "logout",
              decide: (current) => Change.Remove({ value: Option.isSome(current) }),
              settle: () => Option.some({ journal: Custodies.settled(before, 9), discard: false })
            })
            deepStrictEqual(removed, { value: present, settled: Either.void })
          }
          const after = yield* other.read(CODEX)
          assertEquals(after.stored, Option.none())
          assert.strictEqual(after.journal.generation, 9)
          assert.isTrue(Equal.equals(after.kept, before.kept))
        })
      ))

    it.scopedLive("the answer goes only once the journal says so", () =>
      onStage(({ breakJournal, custody, other }) =>
        Effect.gen(function*() {
          if (breakJournal === undefined) return
          yield* Custodies.login(custody, CODEX, credential(1))
          const held = yield* Custodies.hold(custody, CODEX)
          const evidence = yield* held.read()
          yield* held.capture(Custodies.answer)
          const mend = yield* breakJournal(CODEX)
          const next = credential(2)
          const { settled } = yield* Custodies.finish(held, evidence, next)
          assert.isTrue(Either.isLeft(settled))
          yield* Effect.flip(held.note(evidence.journal, { discard: true }))
          yield* mend
          const after = yield* other.read(CODEX)
          assert.isTrue(Equal.equals((yield* after.stored).credential, next))
          deepStrictEqual(after.journal, evidence.journal)
          assert.isTrue(Equal.equals(after.kept, Option.some(Custodies.answer)))
        })
      ))

    it.scopedLive("a damaged journal is an error, and a login reads it as a new one, whose generation is beyond all", () =>
      onStage(({ custody, damageJournal, other }) =>
        Effect.gen(function*() {
          if (damageJournal === undefined) return
          yield* Custodies.login(custody, CODEX, credential(1))
          const held = yield* Custodies.hold(custody, CODEX)
          yield* damageJournal(CODEX)
          for (const read of [held.read(), other.read(CODEX)]) {
            assert.strictEqual((yield* Effect.flip(read)).reason, "Decode")
          }
          const { journal, stored } = yield* held.read({ replaceJournal: true })
          assert.isAtLeast(journal.generation, 1_700_000_000)
          assert.isTrue(Option.isSome(stored))
          yield* held.note(journal)
          deepStrictEqual((yield* other.read(CODEX)).journal, journal)
        })
      ))

    it.scopedLive("a note is written alone, and drops the answer where it says so", () =>
      onStage(({ custody, other }) =>
        Effect.gen(function*() {
          const first = yield* Custodies.login(custody, CODEX, credential(1))
          const held = yield* Custodies.hold(custody, CODEX)
          yield* held.capture(Custodies.answer)
          yield* held.note(fullRecord(CODEX))
          const noted = yield* other.read(CODEX)
          deepStrictEqual(noted.journal, fullRecord(CODEX))
          assert.isTrue(Option.isSome(noted.kept))
          yield* held.note(RefreshJournal.empty(CODEX), { discard: true })
          const after = yield* other.read(CODEX)
          deepStrictEqual(after.journal, RefreshJournal.empty(CODEX))
          assertEquals(after.kept, Option.none())
          assert.strictEqual((yield* after.stored).version, first.version)
        })
      ))

    it.scopedLive("redemptions through both views come one after the other, and none is lost", () =>
      onStage(({ custody, other }) =>
        Effect.gen(function*() {
          yield* Custodies.login(custody, CODEX, credential(0))
          const turn = (view: Service) =>
            Effect.scoped(Effect.gen(function*() {
              const held = yield* Custodies.hold(view, CODEX)
              const evidence = yield* held.read()
              const { credential: present } = yield* evidence.stored
              yield* held.reserve(Option.some(64))
              yield* held.capture(Custodies.answer)
              yield* Custodies.finish(held, evidence, credential(present.generation + 1))
            }))
          yield* Effect.forEach(Array.from({ length: 10 }, (_, i) => i % 2 === 0 ? custody : other), turn, {
            concurrency: "unbounded",
            discard: true
          })
          assert.strictEqual((yield* stored(other)).credential.generation, 10)
        })
      ))
  })
}
