/**
 * What the server's ledger says of a fleet, beside what the workers said when they sent something and what was done to them.
 *
 * A refresh token that comes twice is the accident. Once only it cannot be prevented: its holder was killed after it sent
 * the token and before it had kept the answer, or was not heard of for as long as others have to wait for it, so that no
 * process can know what became of the token (I7). Everything else is unexplained, and a fault of what guards the fleet.
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
  /** Why it is the one retry that I7 allows; nothing where it is not. */
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
   * Why nothing could prevent it; nothing where something could. `reused`: by a refresh token that came twice, which is judged
   * by itself. `killed`: who sent it was killed before it had kept the answer, and so was, or sent nothing, who may retry once.
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
  { killed, lost, wait }: {
    /** Logins that ended, by the refresh token that was stored. */
    readonly lost: ReadonlyArray<{ readonly tenant: string; readonly fingerprint: string }>
    /** Processes that were killed. */
    readonly killed: ReadonlySet<number>
    /** Milliseconds for which others wait for a sender that they do not hear of. */
    readonly wait: number
  }
): Judgement => {
  const accounts = new Map(ledger.redemptions.map(({ accountId, fingerprint }) => [fingerprint, accountId]))
  const issued = new Map(ledger.redemptions.map(({ accessToken, accountId }) => [accessToken, accountId]))
  const sendings = reports.filter((report): report is Sending => report.event === "sending")

  /** Whether the sender had its answer where its death could not reach it. */
  const wasKept = ({ at, fingerprint, pid }: Sending): boolean => {
    const tenant = accounts.get(fingerprint)
    const next = sendings.find((other) =>
      other.pid === pid && other.at > at && accounts.get(other.fingerprint) === tenant
    )
    return reports.some((report) =>
      report.event === "kept" && report.pid === pid && report.tenant === tenant && report.at > at &&
      (next === undefined || report.at < next.at)
    )
  }
  const fateOf = (sending: Sending, index: number, all: ReadonlyArray<Sending>): string => {
    const later = Math.round(Number(sending.at - all[0]!.at) / NANOS)
    return `${sending.pid} sent it${index === 0 ? "" : ` ${later} ms later`}, ${
      wasKept(sending) ? "kept" : "did not keep"
    } the answer${killed.has(sending.pid) ? " and was killed" : ""}`
  }

  const reuses = ledger.reuses.map(({ fingerprint }): Reuse => {
    const senders = sendings.filter((one) => one.fingerprint === fingerprint)
    const [first, second] = senders
    const explanation = first === undefined || second === undefined || senders.length > 2
      ? undefined
      : killed.has(first.pid) && !wasKept(first)
      ? "killed"
      : Number(second.at - first.at) / NANOS >= wait
      ? "outlasted"
      : undefined
    return {
      tenant: accounts.get(fingerprint) ?? "",
      fingerprint,
      explanation,
      story: senders.map(fateOf).join("; ")
    }
  })
  const losses = lost.map(({ fingerprint, tenant }): Loss => {
    const senders = sendings.filter((one) => one.fingerprint === fingerprint)
    return {
      tenant,
      explanation: reuses.some((reuse) => reuse.fingerprint === fingerprint)
        ? "reused"
        : senders.some((one) => killed.has(one.pid) && !wasKept(one))
        ? "killed"
        : undefined,
      story: senders.map(fateOf).join("; ")
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
