/**
 * Stands between the processes and what they share, and notes every breach of an invariant as it happens.
 */
import type { Credential } from "@lockstep/core/Credential"
import type { Lease } from "@lockstep/core/CredentialLock"
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as Fingerprint from "@lockstep/core/Fingerprint"
import type { TenantId } from "@lockstep/core/TenantId"
import { RedeemAnswer } from "@lockstep/core/TokenEndpoint"
import type { Change, WritableStore } from "@lockstep/core/WritableStore"
import type { MemoryMachine } from "@lockstep/testing/MemoryMachine"
import type { Ports } from "@lockstep/testing/MortalProcess"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

/** Which calls fail, each for so many times. */
export type Fault = "get" | "modify" | "prepare" | "write" | "reserve" | "keep"

/** A request that the endpoint gives up at its limit, as every endpoint must. */
const bounded = (limit: Duration.Duration, request: Effect.Effect<RedeemAnswer>): Effect.Effect<RedeemAnswer> =>
  request.pipe(
    Effect.disconnect,
    Effect.timeoutTo({
      duration: limit,
      onSuccess: (answer) => answer,
      onTimeout: () => RedeemAnswer.Unknown({ detail: "no answer within the limit", answered: false })
    })
  )

interface Send {
  readonly pid: number
  readonly token: string
  /** On the monotonic clock, in milliseconds. */
  endedAt?: number
  /** `Kept`: granted, and the refresh token stays as it is. */
  outcome?: RedeemAnswer["_tag"] | "Kept"
  /** Wall clock changes before it ended. */
  shifts?: number
}

/** All that is known of one tenant. */
interface Dossier {
  readonly sends: Array<Send>
  readonly accessTokens: Set<string>
  readonly refreshTokens: Set<string>
  /** Refresh tokens of which the journal or an answer file knows that they are consumed. */
  readonly consumed: Set<string>
  /** The refresh token that an answer brought, and how often the record had been replaced before it was read. */
  readonly captured: Map<string, { replacements: number }>
  /** Which refresh token an access token was redeemed with; none where a login brought it. */
  readonly origins: Map<string, string | undefined>
  replacements: number
  /** Replacements when the holder took the lock. */
  replacementsBefore: number
  holder: number | undefined
  /** Refresh tokens that the holder read since it took the lock. */
  readonly lockedReads: Set<string>
}

const secret = (token: Option.Option<Redacted.Redacted>): string =>
  Option.match(token, { onNone: () => "", onSome: Redacted.value })

const failure = (reason: "Read" | "Write") =>
  new CredentialStoreError({ reason, location: "memory", detail: "scripted" })

export const make = (machine: MemoryMachine, clock: {
  readonly now: Effect.Effect<number>
  readonly shifts: () => number
  readonly quietTime: number
}) => {
  const dossiers = new Map<TenantId, Dossier>()
  const breaches: Array<string> = []
  const faults = new Map<Fault, number>()
  /** Processes that are about to end a login. */
  const removing = new Set<number>()
  let latencies: ReadonlyArray<number> = [0]
  let requests = 0

  const of = (tenant: TenantId): Dossier => {
    const known = dossiers.get(tenant)
    if (known !== undefined) return known
    const fresh: Dossier = {
      sends: [],
      accessTokens: new Set(),
      refreshTokens: new Set(),
      consumed: new Set(),
      captured: new Map(),
      origins: new Map(),
      replacements: 0,
      replacementsBefore: 0,
      holder: undefined,
      lockedReads: new Set()
    }
    dossiers.set(tenant, fresh)
    return fresh
  }
  const breach = (text: string): void => void breaches.push(text)
  const expect = (holds: boolean, text: () => string): void => {
    if (!holds) breach(text())
  }

  const failing = (fault: Fault): Effect.Effect<void, CredentialStoreError> =>
    Effect.suspend(() => {
      const left = faults.get(fault) ?? 0
      if (left === 0) return Effect.void
      faults.set(fault, left - 1)
      return failure(fault === "get" ? "Read" : "Write")
    })

  const stored = (tenant: TenantId, credential: Credential): void => {
    of(tenant).accessTokens.add(secret(credential.accessToken))
    of(tenant).refreshTokens.add(secret(credential.refreshToken))
  }

  /** I4: what a coordinator or a writer may do to a record. */
  const judge = <A>(pid: number, tenant: TenantId, current: Option.Option<Credential>, change: Change<A>): void => {
    const dossier = of(tenant)
    if (change._tag === "Keep") return
    if (change._tag === "Remove") {
      expect(removing.has(pid), () => `I4: process ${pid} removed ${tenant}`)
      dossier.replacements++
      return
    }
    const access = secret(change.credential.accessToken)
    const before = Option.getOrUndefined(current)
    expect(
      before === undefined || change.credential.generation > before.generation,
      () => `I4: the generation of ${tenant} went from ${before?.generation} to ${change.credential.generation}`
    )
    expect(dossier.origins.has(access), () => `I4: process ${pid} wrote ${access}, which was not issued to ${tenant}`)
    const redeemed = dossier.origins.get(access)
    if (redeemed === undefined) {
      dossier.replacements++
    } else {
      // A token that is known to be exchanged came back with a snapshot: what was obtained since takes its place.
      expect(
        before !== undefined &&
          (secret(before.refreshToken) === redeemed || dossier.consumed.has(secret(before.refreshToken))),
        () =>
          `I4: what ${redeemed} brought was written over ${
            before === undefined ? "nothing" : secret(before.refreshToken)
          }`
      )
      expect(
        before !== undefined && Option.getOrNull(before.scope) === Option.getOrNull(change.credential.scope),
        () => `I4: a refresh of ${tenant} lost what another program had written`
      )
    }
    stored(tenant, change.credential)
  }

  /** I1, I2, I7: when a refresh token may be sent. */
  const judgeSend = (pid: number, tenant: TenantId, token: string, now: number): void => {
    const dossier = of(tenant)
    const open = dossier.sends.filter((send) => send.endedAt === undefined)
    expect(
      open.length === 0,
      () => `I1: ${token} was sent by ${pid} while ${open[0]?.token} of ${open[0]?.pid} is under way`
    )
    expect(dossier.holder === pid, () => `I8: ${pid} sent ${token} without the lock`)
    expect(
      dossier.lockedReads.has(token),
      () => `I2: ${pid} sent ${token}, and read ${[...dossier.lockedReads].join()} under the lock`
    )
    expect(!dossier.consumed.has(token), () => `I7: ${token} was sent again and is known to be consumed`)
    const sends = dossier.sends.filter((send) => send.token === token)
    // An answer that kept the token proves that it lives: what was unknown before is settled.
    const settled = sends.findLastIndex(({ outcome }) => outcome === "Kept")
    const unknown = sends.slice(settled + 1).filter((send) =>
      send.outcome === undefined || send.outcome === "Unknown" || send.outcome === "Granted"
    )
    expect(unknown.length <= 1, () => `I7: ${token} was sent for the ${unknown.length + 1}. time`)
    const last = unknown.at(-1)
    if (last?.endedAt !== undefined && last.shifts === clock.shifts()) {
      const silence = now - last.endedAt
      expect(silence >= clock.quietTime, () => `I7: ${token} was sent again after ${silence} ms`)
    }
  }

  const ports = (pid: number): Ports => {
    const { journal, lock, store } = machine
    const modify: WritableStore["Type"]["modify"] = (tenant, decide, options) =>
      Effect.zipRight(
        failing("modify"),
        store.modify(tenant, (current) => {
          const change = decide(current)
          judge(pid, tenant, Option.map(current, (one) => one.credential), change)
          return change
        }, options)
      )
    return {
      store: {
        ...store,
        get: (tenant) =>
          Effect.tap(Effect.zipRight(failing("get"), store.get(tenant)), (found) =>
            Effect.sync(() => {
              if (of(tenant).holder !== pid) return
              of(tenant).lockedReads.add(secret(Option.flatMap(found, (one) => one.credential.refreshToken)))
            })),
        modify,
        prepare: (tenant, options) => Effect.zipRight(failing("prepare"), store.prepare(tenant, options))
      },
      lock: {
        ...lock,
        tryAcquire: (target) =>
          Effect.map(
            lock.tryAcquire(target),
            Option.map((lease): Lease => {
              if (target._tag !== "Tenant") return lease
              const dossier = of(target.tenant)
              dossier.holder = pid
              dossier.replacementsBefore = dossier.replacements
              dossier.lockedReads.clear()
              return {
                lost: lease.lost,
                release: (how) =>
                  Effect.suspend(() => {
                    dossier.holder = undefined
                    return lease.release(how)
                  })
              }
            })
          )
      },
      journal: {
        ...journal,
        write: (tenant, record) =>
          Effect.zipRight(
            failing("write"),
            Effect.tap(journal.write(tenant, record), () =>
              Effect.sync(() => {
                for (const token of of(tenant).refreshTokens) {
                  const fingerprint = Fingerprint.of(machine.host, Redacted.make(token))
                  if (record.retired.some((one) => one.fingerprint === fingerprint)) of(tenant).consumed.add(token)
                }
              }))
          ),
        reserveAnswer: (tenant, bytes) => Effect.zipRight(failing("reserve"), journal.reserveAnswer(tenant, bytes)),
        keepAnswer: (tenant, answer) =>
          Effect.zipRight(
            failing("keep"),
            Effect.tap(journal.keepAnswer(tenant, answer), () =>
              Effect.sync(() => {
                const dossier = of(tenant)
                const redeemed = dossier.origins.get(Redacted.value(answer.grant.accessToken))
                if (redeemed !== undefined) dossier.consumed.add(redeemed)
                dossier.captured.set(secret(answer.grant.refreshToken), { replacements: dossier.replacementsBefore })
              }))
          )
      },
      endpoint: {
        ...machine.server.service,
        prepare: (tenant, credential) =>
          Effect.map(machine.server.service.prepare(tenant, credential), ({ redeem }) => ({
            redeem: (limit) =>
              bounded(
                limit,
                Effect.gen(function*() {
                  const token = secret(credential.refreshToken)
                  judgeSend(pid, tenant, token, yield* clock.now)
                  const send: Send = { pid, token }
                  of(tenant).sends.push(send)
                  const latency = latencies[requests++ % latencies.length]!
                  const ended = Effect.map(clock.now, (now) => {
                    send.endedAt ??= now
                    send.shifts ??= clock.shifts()
                  })
                  return yield* Effect.sleep(latency / 2).pipe(
                    Effect.zipRight(redeem(limit)),
                    Effect.tap((answer) =>
                      Effect.sync(() => {
                        if (answer._tag === "Granted") {
                          of(tenant).origins.set(Redacted.value(answer.grant.accessToken), token)
                        }
                      })
                    ),
                    Effect.zipLeft(Effect.sleep(latency / 2)),
                    Effect.tap((answer) =>
                      Effect.sync(() => {
                        const keeps = answer._tag === "Granted" && Option.isNone(answer.grant.refreshToken)
                        send.outcome = keeps ? "Kept" : answer._tag
                      })
                    ),
                    Effect.ensuring(ended)
                  )
                })
              )
          }))
      }
    }
  }

  return {
    ports,
    breach,
    expect,
    stored,
    breaches: (): ReadonlyArray<string> => breaches,
    fail: (fault: Fault, times: number): void => void faults.set(fault, times),
    repair: (): void => faults.clear(),
    setLatencies: (all: ReadonlyArray<number>): void => {
      latencies = all
    },
    /** A login or a foreign program brought these tokens. */
    issued: (tenant: TenantId, credential: Credential): void =>
      void of(tenant).origins.set(secret(credential.accessToken), undefined),
    replaced: (tenant: TenantId): void => void of(tenant).replacements++,
    removing,
    /** The requests of a process that died end with it. */
    died: (pid: number, now: number): void => {
      for (const { sends } of dossiers.values()) {
        for (const send of sends) {
          if (send.pid === pid && send.endedAt === undefined) {
            send.endedAt = now
            send.shifts = clock.shifts()
          }
        }
      }
    },
    /** I3: what a caller was given was durable by then, and belongs to the tenant. */
    served: (tenant: TenantId, accessToken: string): void =>
      expect(of(tenant).accessTokens.has(accessToken), () => `I3: ${accessToken} was served and never stored`),
    /** I5: what was captured ended in the store, or was revoked, or lost its record to another login. */
    conclude: (): void => {
      for (const [tenant, { captured, refreshTokens, replacements }] of dossiers) {
        for (const [token, at] of captured) {
          expect(
            refreshTokens.has(token) || machine.server.revocations.includes(token) || replacements > at.replacements,
            () => `I5: ${token} of ${tenant} was captured and lost`
          )
        }
      }
    },
    sends: (tenant: TenantId): ReadonlyArray<Send> => of(tenant).sends
  }
}
