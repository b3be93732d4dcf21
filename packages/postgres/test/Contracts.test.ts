import { Change } from "@lockstep/core/WritableStore"
import * as PostgresDueTimes from "@lockstep/postgres/PostgresDueTimes"
import * as PostgresIssuerBudget from "@lockstep/postgres/PostgresIssuerBudget"
import { PostgresSession } from "@lockstep/postgres/PostgresSession"
import { clientRegistrationsContract } from "@lockstep/testkit/contract/ClientRegistrationsContract"
import { credentialStoreContract } from "@lockstep/testkit/contract/CredentialStoreContract"
import { custodyContract } from "@lockstep/testkit/contract/CustodyContract"
import { dueTimesContract } from "@lockstep/testkit/contract/DueTimesContract"
import { issuerBudgetContract } from "@lockstep/testkit/contract/IssuerBudgetContract"
import { pendingLoginsContract } from "@lockstep/testkit/contract/PendingLoginsContract"
import * as ScriptedTokenEndpoint from "@lockstep/testkit/memory/ScriptedTokenEndpoint"
import * as Effect from "effect/Effect"
import * as Fleets from "./support/fleets.js"

Fleets.onEach((server, name) => {
  const views = Fleets.twoViews(server)
  credentialStoreContract(name, Effect.map(views, ([, one, other]) => [one.store, other.store] as const))
  pendingLoginsContract(name, Effect.map(views, ([, one, other]) => [one.pending, other.pending] as const))
  clientRegistrationsContract(
    name,
    Effect.map(views, ([, one, other]) => [one.registrations, other.registrations] as const)
  )
  custodyContract(
    name,
    Effect.map(views, ([{ sql }, one, other]) => ({
      custody: one.custody,
      other: other.custody,
      // In the name of a session that no process has: its holder is gone without a word.
      overtake: (tenant) =>
        sql("update lockstep.tenant set epoch = epoch + 1, holder = 4711 where name = $1", [tenant]),
      overtaken: "lost" as const,
      damageJournal: (tenant) => sql("update lockstep.tenant set journal = '{' where name = $1", [tenant])
    }))
  )
  dueTimesContract(
    name,
    Effect.gen(function*() {
      const [, one, other] = yield* views
      const server = yield* ScriptedTokenEndpoint.make
      const of = (session: PostgresSession["Type"]) =>
        Effect.provideService(PostgresDueTimes.make, PostgresSession, session)
      return {
        one: yield* of(one.session),
        other: yield* of(other.session),
        put: (tenant) =>
          Effect.orDie(
            one.store.modify(tenant, () => Change.Put({ credential: server.issue(), value: () => undefined }))
          ),
        remove: (tenant) => Effect.orDie(one.store.modify(tenant, () => Change.Remove({ value: undefined })))
      }
    })
  )
  issuerBudgetContract(
    name,
    Effect.flatMap(views, ([, one, other]) =>
      Effect.all([
        Effect.provideService(PostgresIssuerBudget.make(), PostgresSession, one.session),
        Effect.provideService(PostgresIssuerBudget.make(), PostgresSession, other.session)
      ]))
  )
})
