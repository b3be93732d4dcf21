/** A judge that can explain a real loss hides it: each explanation beside the loss that only looks like it. */
import { assert, describe, it } from "@effect/vitest"
import * as Judgement from "@lockstep/testkit/fleet/Judgement"
import { LedgerEvent } from "@lockstep/testkit/servers/TokenLedger"

const WAIT = 15_000
const TENANT = "agent"
const [FIRST, SECOND, THIRD, BESIDE] = [1, 2, 3, 4] as const
/** One process is on the first one's host; each other one has a host of its own. */
const HOSTS = new Map([[FIRST, 1], [SECOND, 2], [THIRD, 3], [BESIDE, 1]])

const at = (millis: number): bigint => BigInt(millis) * 1_000_000n
const moment = (millis: number) => ({ wall: millis, monotonic: at(millis) })

const sent = (pid: number, fingerprint: string, when: number): Judgement.Report => ({
  event: "sending",
  pid,
  fingerprint,
  at: at(when)
})
const kept = (pid: number, when: number): Judgement.Report => ({ event: "kept", pid, tenant: TENANT, at: at(when) })
const served = (pid: number, token: string, when: number): Judgement.Report => ({
  event: "served",
  pid,
  tenant: TENANT,
  token,
  at: at(when)
})

/** `r1` was exchanged for `r2`, and that for `r3`, as far as is said. */
const exchanged = (...fingerprints: ReadonlyArray<string>) =>
  fingerprints.map((fingerprint, index) =>
    LedgerEvent.Redeemed({
      at: moment(index * 1_000 + 100),
      accountId: TENANT,
      fingerprint,
      successor: `r${Number(fingerprint.slice(1)) + 1}`,
      accessToken: `access for ${fingerprint}`
    })
  )
const twice = (fingerprint: string) => [LedgerEvent.Reused({ at: moment(0), fingerprint })]

const judged = (
  reports: ReadonlyArray<Judgement.Report>,
  { killed = {}, lost, redemptions = exchanged("r1"), reuses = [] }: {
    readonly redemptions?: ReturnType<typeof exchanged>
    readonly reuses?: ReturnType<typeof twice>
    /** The token that was stored when its login had ended. */
    readonly lost?: string
    readonly killed?: Readonly<Record<number, number>>
  }
) =>
  Judgement.of({ overlaps: [], redemptions, reuses, revocations: [] }, reports, {
    hosts: HOSTS,
    killed: new Map(Object.entries(killed).map(([pid, when]) => [Number(pid), at(when)])),
    lost: lost === undefined ? [] : [{ tenant: TENANT, fingerprint: lost }],
    wait: WAIT
  })

const reuseOf = (reports: ReadonlyArray<Judgement.Report>, killed: Readonly<Record<number, number>> = {}) =>
  judged(reports, { killed, reuses: twice("r1") }).reuses[0]?.explanation

const lossOf = (
  reports: ReadonlyArray<Judgement.Report>,
  options: Omit<Parameters<typeof judged>[1], "lost"> & { readonly lost?: string }
) => judged(reports, { lost: "r1", ...options }).losses[0]?.explanation

describe("a refresh token that came twice", () => {
  const again = sent(SECOND, "r1", 18_000)

  it("is explained where the first sender was killed with its answer", () => {
    assert.strictEqual(reuseOf([sent(FIRST, "r1", 0), again], { [FIRST]: 200 }), "killed")
  })

  it("is explained where the first sender was not heard of for as long as others wait", () => {
    assert.strictEqual(reuseOf([sent(FIRST, "r1", 0), kept(FIRST, 200), again]), "outlasted")
    assert.strictEqual(reuseOf([again, sent(FIRST, "r1", 0), kept(FIRST, 200)]), "outlasted")
  })

  it("is not where both lived and the second did not wait, or the first never kept its answer", () => {
    assert.isUndefined(reuseOf([sent(FIRST, "r1", 0), kept(FIRST, 200), sent(SECOND, "r1", 14_000)]))
    assert.isUndefined(reuseOf([sent(FIRST, "r1", 0), again]))
  })

  it("is not where the first one's host was heard of in time to bring the answer home", () => {
    const first = [sent(FIRST, "r1", 0), kept(FIRST, 200)]
    for (const pid of [FIRST, BESIDE]) {
      assert.isUndefined(reuseOf([...first, sent(pid, "other", 3_000), again]))
      assert.isUndefined(reuseOf([...first, sent(pid, "other", 3_000), again], { [FIRST]: 300 }))
      // Before it had the answer, and too late to have brought it.
      assert.strictEqual(reuseOf([...first, sent(pid, "other", 100), again]), "outlasted")
      assert.strictEqual(reuseOf([...first, sent(pid, "other", 17_000), again]), "outlasted")
    }
    assert.strictEqual(reuseOf([...first, sent(THIRD, "other", 3_000), again]), "outlasted")
  })

  it("is not where the first was killed after it had kept its answer, or long after it could have, or after the second sent", () => {
    const soon = sent(SECOND, "r1", 4_000)
    assert.strictEqual(reuseOf([sent(FIRST, "r1", 0), soon], { [FIRST]: 3_999 }), "killed")
    assert.isUndefined(reuseOf([sent(FIRST, "r1", 0), soon], { [FIRST]: 4_001 }))
    assert.isUndefined(reuseOf([sent(FIRST, "r1", 0), kept(FIRST, 200), soon], { [FIRST]: 300 }))
    assert.isUndefined(reuseOf([sent(FIRST, "r1", 0), soon], { [FIRST]: 60_000 }))
  })

  it("is not where it came a third time, or from a process that did not say so", () => {
    assert.isUndefined(reuseOf([sent(FIRST, "r1", 0), again, sent(THIRD, "r1", 40_000)], { [FIRST]: 200 }))
    assert.isUndefined(reuseOf([sent(FIRST, "r1", 0)], { [FIRST]: 200 }))
  })

  it("is not where what came for it was in use by then", () => {
    const first = [sent(FIRST, "r1", 0), kept(FIRST, 200)]
    assert.isUndefined(reuseOf([...first, sent(THIRD, "r2", 2_000), again]))
    assert.isUndefined(reuseOf([...first, served(THIRD, "access for r1", 2_000), again]))
    assert.strictEqual(reuseOf([...first, again, served(THIRD, "access for r1", 19_000)]), "outlasted")
    // What the sender itself serves it may have from its own memory.
    assert.strictEqual(reuseOf([...first, served(FIRST, "access for r1", 300), again]), "outlasted")
  })
})

describe("a login that ended", () => {
  it("is explained where each sender of its token was killed with the answer", () => {
    assert.strictEqual(lossOf([sent(FIRST, "r1", 0)], { killed: { [FIRST]: 200 } }), "killed")
    assert.strictEqual(
      lossOf([sent(FIRST, "r1", 0), sent(SECOND, "r1", 18_000)], { killed: { [FIRST]: 200, [SECOND]: 18_001 } }),
      "killed"
    )
  })

  it("is not where a sender lived, whatever became of the one before it", () => {
    const first = sent(FIRST, "r1", 0)
    const second = sent(SECOND, "r1", 18_000)
    assert.isUndefined(lossOf([first, second], { killed: { [FIRST]: 5 } }))
    assert.isUndefined(lossOf([first, second, kept(SECOND, 18_200)], { killed: { [FIRST]: 5 } }))
    assert.isUndefined(lossOf([first, second, kept(SECOND, 18_200)], { killed: { [FIRST]: 5, [SECOND]: 18_300 } }))
    assert.isUndefined(lossOf([first], {}))
  })

  it("is not where its token was never consumed, or was sent by none that said so", () => {
    assert.isUndefined(lossOf([sent(FIRST, "r1", 0)], { killed: { [FIRST]: 5 }, redemptions: [] }))
    assert.isUndefined(lossOf([], {}))
  })

  it("is judged by the token that came twice, this one or one before it", () => {
    const reuses = twice("r1")
    const redemptions = exchanged("r1", "r2")
    assert.strictEqual(lossOf([], { reuses, redemptions }), "reused")
    assert.strictEqual(lossOf([], { lost: "r3", reuses, redemptions }), "reused")
    assert.isUndefined(lossOf([], { lost: "r1", reuses: twice("r2"), redemptions }))
  })
})
