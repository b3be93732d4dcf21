/**
 * Journals and answers for tests of anything that keeps them.
 *
 * @since 0.1.0
 */
import { ProcessIdentity } from "@lockstep/core/Host"
import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import type * as TenantId from "@lockstep/core/TenantId"
import { TokenGrant } from "@lockstep/core/TokenGrant"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as FakeToken from "../FakeToken.js"

const self = ProcessIdentity.make({ pid: 4711, startTime: "12", bootId: "boot", command: "agent" })

/**
 * A journal in which every member says something.
 *
 * @since 0.1.0
 * @category testing
 */
export const fullRecord = (tenant: TenantId.TenantId): RefreshJournal.JournalRecord =>
  RefreshJournal.JournalRecord.make({
    version: 1,
    tenant,
    generation: 7,
    lastRedeem: Option.some("attempt-6"),
    intent: Option.some(RefreshJournal.Intent.make({
      attempt: "attempt-7",
      version: "7:0011",
      fingerprint: "0123456789ab",
      state: "sending",
      sends: 1,
      ambiguous: true,
      at: 1_790_000_000_123,
      endedAt: Option.some(1_790_000_000_456),
      by: self
    })),
    cooldown: Option.some(RefreshJournal.Cooldown.make({ setAt: 1, until: 2, source: "server", failures: 3 })),
    mark: Option.some(RefreshJournal.Mark.make({
      fingerprint: "0123456789ab",
      reason: "InvalidGrant",
      detail: Option.some("revoked \"by\" the user"),
      at: 5
    })),
    rest: Option.some(RefreshJournal.Rest.make({ fingerprint: "0123456789ab", setAt: 6, until: 7 })),
    retired: [RefreshJournal.Retired.make({ fingerprint: "ba9876543210", generation: 6, at: 8 })],
    rejections: [9, 8],
    outcomes: [RefreshJournal.Outcome.make({
      at: 10,
      outcome: "granted",
      detail: Option.none(),
      pid: 4711,
      command: "agent",
      from: Option.some("ba9876543210"),
      to: Option.some("0123456789ab"),
      generation: 7,
      took: Option.some(12)
    })]
  })

/**
 * An answer with a new pair of tokens, padded to about so many characters.
 *
 * @since 0.1.0
 * @category testing
 */
export const answer = (attempt: string, length = 0): RefreshJournal.CapturedAnswer =>
  RefreshJournal.CapturedAnswer.make({
    attempt,
    fingerprint: "0123456789ab",
    obtainedAt: 1_790_000_000,
    grant: TokenGrant.make({
      accessToken: Redacted.make(FakeToken.make("at") + "x".repeat(length)),
      refreshToken: Option.some(Redacted.make(FakeToken.make("rt"))),
      idToken: Option.none(),
      tokenType: Option.some("Bearer"),
      scope: Option.none(),
      expiresAt: Option.some(1_790_003_600),
      loginExpiresAt: Option.none(),
      account: Option.none()
    })
  })
