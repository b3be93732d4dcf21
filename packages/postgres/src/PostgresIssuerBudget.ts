/**
 * The budgets of issuers as rows, one for all hosts. A change is decided on what was read, and written where nothing
 * changed meanwhile; it is not synced, because a budget that a crash sets back by a moment is no harm.
 *
 * What an issuer may be asked for can be set: `update lockstep.issuer set rate = 50, burst = 50 where issuer = '…'`.
 *
 * @since 0.1.0
 */
import { CredentialStoreError } from "@lockstep/core/Errors"
import * as IssuerBudget from "@lockstep/core/IssuerBudget"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Row } from "./internal/connection.js"
import { toStoreError } from "./PostgresFailure.js"
import { PostgresSession } from "./PostgresSession.js"

const READ = `
select i.*, extract(epoch from clock_timestamp())::float8 * 1000 as now
from (select 1) one left join lockstep.issuer i on i.issuer = $1`

const WRITE = `
insert into lockstep.issuer as i
  (issuer, allowance, at, open_until, failures, probes, probing, probing_since, revision)
select $1, $3, $4, $5, $6, $7, $8, $9, 1 from (select set_config('synchronous_commit', 'off', true) as set) quick
where quick.set is not null
on conflict (issuer) do update set allowance = $3, at = $4, open_until = $5, failures = $6, probes = $7, probing = $8,
  probing_since = $9, revision = i.revision + 1 where i.revision = $2
returning revision`

/** Tries before a state that changes at each of them is a fault of its own. */
const TURNS = 32

const stateOf = (row: Row, terms: IssuerBudget.Terms): IssuerBudget.State =>
  row["issuer"] === null ? IssuerBudget.full(terms, Number(row["now"])) : {
    allowance: Number(row["allowance"]),
    at: Number(row["at"]),
    openUntil: Number(row["open_until"]),
    failures: Number(row["failures"]),
    probes: Number(row["probes"]),
    probing: Number(row["probing"]),
    probingSince: Number(row["probing_since"])
  }

/**
 * The budgets of a session.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  termsOf: (issuer: string) => IssuerBudget.Terms = () => IssuerBudget.defaults
): Effect.Effect<IssuerBudget.IssuerBudget["Type"], never, PostgresSession> =>
  Effect.map(PostgresSession, (session) => {
    const ask = (text: string, values: ReadonlyArray<unknown>) =>
      Effect.mapError(session.query(text, values), toStoreError(session.location, "Write"))
    const modify = <A>(
      issuer: string,
      change: (state: IssuerBudget.State, terms: IssuerBudget.Terms, now: number) => readonly [A, IssuerBudget.State]
    ): Effect.Effect<A, CredentialStoreError> => {
      const turn = (left: number): Effect.Effect<A, CredentialStoreError> =>
        Effect.gen(function*() {
          const { rows: [row = {}] } = yield* ask(READ, [issuer])
          const now = Number(row["now"])
          session.heardTime(now)
          const usual = termsOf(issuer)
          const terms = {
            rate: typeof row["rate"] === "number" ? row["rate"] : usual.rate,
            burst: typeof row["burst"] === "number" ? row["burst"] : usual.burst
          }
          const [value, state] = change(stateOf(row, terms), terms, now)
          const { count } = yield* ask(WRITE, [
            issuer,
            row["revision"] ?? 0,
            state.allowance,
            state.at,
            state.openUntil,
            state.failures,
            state.probes,
            state.probing,
            state.probingSince
          ])
          if (count > 0) return value
          if (left > 0) return yield* turn(left - 1)
          return yield* new CredentialStoreError({
            reason: "Unavailable",
            location: session.location,
            detail: "other processes keep changing the budget of an issuer"
          })
        })
      return turn(TURNS)
    }
    return IssuerBudget.make({ modify })
  })

/**
 * The budgets of a session.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  termsOf?: (issuer: string) => IssuerBudget.Terms
): Layer.Layer<IssuerBudget.IssuerBudget, never, PostgresSession> =>
  Layer.effect(IssuerBudget.IssuerBudget, make(termsOf))
