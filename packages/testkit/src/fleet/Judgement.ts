/**
 * What the server's ledger says of a fleet, beside what the workers said when they sent something and what was done to them.
 *
 * A refresh token that comes twice is the accident. Once only it cannot be prevented: its holder was killed after it sent
 * the token and before it had kept the answer, or kept it on a host that was not heard of for as long as others have to wait,
 * so that no process can know what became of the token (I7). Everything else is unexplained, and a fault of what guards the
 * fleet.
 *
 * An explanation that is too wide hides the faults that it was made to find, so each asks for all that must be true of it.
 *
 * @since 0.1.0
 */
import type { TokenLedger } from "../servers/TokenLedger.js"

/**
 * What a worker said.
 *
 * @since 0.1.0
 * @category models
 */
export type Report =
  & { readonly pid: number; readonly at: bigint }
  & (
    | { readonly event: "sending"; readonly fingerprint: string }
    | { readonly event: "kept"; readonly tenant: string }
    | { readonly event: "served"; readonly tenant: string; readonly token: string }
    | { readonly event: "failed"; readonly tenant: string; readonly what: string; readonly login: boolean }
  )

/**
 * A refresh token that came twice.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reuse {
  readonly tenant: string
  readonly fingerprint: string
  /** Why it is the one retry that I7 allows; nothing where it is not, or where what came for the token was known by then. */
  readonly explanation: "killed" | "outlasted" | undefined
  /** How it came to it: who sent it, and what became of these. */
  readonly story: string
}

/**
 * A login that ended: its refresh token was consumed, and what came for it is nowhere.
 *
 * @since 0.1.0
 * @category models
 */
export interface Loss {
  readonly tenant: string
  /**
   * Why nothing could prevent it; nothing where something could. `reused`: by a refresh token that came twice, this one or one
   * before it, which is judged by itself. `killed`: it was consumed, and each process that sent it was killed before it had
   * kept the answer. One that lived had the answer, whatever became of the others.
   */
  readonly explanation: "reused" | "killed" | undefined
  readonly story: string
}

/**
 * What became of a fleet.
 *
 * @since 0.1.0
 * @category models
 */
export interface Judgement {
  readonly redemptions: number
  /** Requests that arrived while another one with the same refresh token was on its way. */
  readonly overlaps: number
  readonly reuses: ReadonlyArray<Reuse>
  readonly losses: ReadonlyArray<Loss>
  /** Logins that the server revoked because of a reuse. */
  readonly revocations: number
  /** Access tokens that a worker was served for another tenant than the one that the server issued them to. */
  readonly mixed: number
}

const NANOS = 1_000_000

/** Milliseconds in which a host that reaches its store brings home what it kept: the longest pause between two tries, and more. */
const HOMECOMING = 12_000

type Sending = Extract<Report, { readonly event: "sending" }>

/**
 * Judges.
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = (
  ledger: Pick<TokenLedger, "overlaps" | "redemptions" | "reuses" | "revocations">,
  reports: ReadonlyArray<Report>,
  { hosts, killed, lost, wait }: {
    /** Logins that ended, by the refresh token that was stored. */
    readonly lost: ReadonlyArray<{ readonly tenant: string; readonly fingerprint: string }>
    /** On which host each process runs. */
    readonly hosts: ReadonlyMap<number, number>
    /** Processes that were killed, and when on the monotonic clock. */
    readonly killed: ReadonlyMap<number, bigint>
    /** Milliseconds for which others wait for a sender that they do not hear of. */
    readonly wait: number
  }
): Judgement => {
  const redeemed = new Map(ledger.redemptions.map((one) => [one.fingerprint, one]))
  const before = new Map(ledger.redemptions.map(({ fingerprint, successor }) => [successor, fingerprint]))
  const issued = new Map(ledger.redemptions.map(({ accessToken, accountId }) => [accessToken, accountId]))
  const sendings = reports.filter((report): report is Sending => report.event === "sending")
    .toSorted((a, b) => Number(a.at - b.at))
  const sendersOf = (fingerprint: string) => sendings.filter((one) => one.fingerprint === fingerprint)
  const tenantOf = (fingerprint: string) => redeemed.get(fingerprint)?.accountId
  const after = (one: bigint, other: bigint): number => Number(other - one) / NANOS

  /** When the sender had its answer where its death could not reach it. */
  const keptAt = ({ at, fingerprint, pid }: Sending): bigint | undefined => {
    const tenant = tenantOf(fingerprint)
    const next = sendings.find((other) => other.pid === pid && other.at > at && tenantOf(other.fingerprint) === tenant)
    return reports.find((report) =>
      report.event === "kept" && report.pid === pid && report.tenant === tenant && report.at > at &&
      (next === undefined || report.at < next.at)
    )?.at
  }
  const wasKept = (sending: Sending): boolean => keptAt(sending) !== undefined
  /**
   * Whether the answer lay on a host that others did not hear of. Who sends has told the store so before: a host one of whose
   * processes sent anything had the time to bring home what it kept.
   */
  const wasAway = (sending: Sending, by: bigint): boolean => {
    const kept = keptAt(sending)
    return kept !== undefined &&
      !sendings.some(({ at, pid }) =>
        hosts.get(pid) === hosts.get(sending.pid) && at > kept && after(at, by) >= HOMECOMING
      )
  }
  /** Whether its death took the answer away. One that is killed later than others wait had the time to keep it. */
  const diedWithIt = (sending: Sending, by?: bigint): boolean => {
    const at = killed.get(sending.pid)
    return at !== undefined && (by === undefined || at <= by) && after(sending.at, at) <= wait && !wasKept(sending)
  }
  /** Whether others than the sender had what came for a token by then, so that to send it once more was a step back. */
  const wasKnown = ({ fingerprint, pid }: Sending, by: bigint): boolean => {
    const grant = redeemed.get(fingerprint)
    return grant !== undefined && reports.some((report) =>
      report.at < by && (
        report.event === "sending" && report.fingerprint === grant.successor ||
        report.event === "served" && report.token === grant.accessToken && report.pid !== pid
      )
    )
  }
  const fateOf = (sending: Sending, index: number, all: ReadonlyArray<Sending>): string => {
    const at = killed.get(sending.pid)
    const later = (since: Sending, then: bigint) => `${Math.round(after(since.at, then))} ms later`
    return `${sending.pid} sent it${index === 0 ? "" : ` ${later(all[0]!, sending.at)}`}, ${
      wasKept(sending) ? "kept" : "did not keep"
    } the answer${at === undefined ? "" : ` and was killed ${later(sending, at)}`}`
  }

  const reuses = ledger.reuses.map(({ fingerprint }): Reuse => {
    const senders = sendersOf(fingerprint)
    const [first, second] = senders
    const explanation = first === undefined || second === undefined || senders.length > 2 || wasKnown(first, second.at)
      ? undefined
      : diedWithIt(first, second.at)
      ? "killed"
      : after(first.at, second.at) >= wait && wasAway(first, second.at)
      ? "outlasted"
      : undefined
    return { tenant: tenantOf(fingerprint) ?? "", fingerprint, explanation, story: senders.map(fateOf).join("; ") }
  })
  /** Whether the server revoked it because it, or one before it, came twice. */
  const wasReused = (fingerprint: string | undefined): boolean =>
    fingerprint !== undefined &&
    (reuses.some((reuse) => reuse.fingerprint === fingerprint) || wasReused(before.get(fingerprint)))

  const losses = lost.map(({ fingerprint, tenant }): Loss => {
    const senders = sendersOf(fingerprint)
    const isConsumed = redeemed.has(fingerprint)
    return {
      tenant,
      explanation: wasReused(fingerprint)
        ? "reused"
        : isConsumed && senders.length > 0 && senders.every((one) => diedWithIt(one))
        ? "killed"
        : undefined,
      story: [...isConsumed ? [] : ["it was never consumed"], ...senders.map(fateOf)].join("; ")
    }
  })
  return {
    redemptions: ledger.redemptions.length,
    losses,
    overlaps: ledger.overlaps.length,
    reuses,
    revocations: ledger.revocations.filter(({ by }) => by === "reuse").length,
    mixed:
      reports.filter((report) =>
        report.event === "served" && issued.has(report.token) && issued.get(report.token) !== report.tenant
      ).length
  }
}
