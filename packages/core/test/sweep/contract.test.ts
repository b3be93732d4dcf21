import { CredentialStore } from "@lockstep/core/CredentialStore"
import * as DueTimes from "@lockstep/core/DueTimes"
import * as IssuerBudget from "@lockstep/core/IssuerBudget"
import { dueTimesContract } from "@lockstep/testkit/contract/DueTimesContract"
import { issuerBudgetContract } from "@lockstep/testkit/contract/IssuerBudgetContract"
import * as MemoryMachine from "@lockstep/testkit/memory/MemoryMachine"
import * as Effect from "effect/Effect"

dueTimesContract(
  "in memory",
  Effect.gen(function*() {
    const machine = yield* MemoryMachine.make()
    const due = yield* Effect.provideService(DueTimes.makeMemory, CredentialStore, machine.store)
    return {
      one: due,
      other: due,
      put: (tenant) => machine.write(tenant, machine.server.issue()),
      remove: machine.erase
    }
  })
)

issuerBudgetContract(
  "in memory",
  Effect.sync(() => {
    const budget = IssuerBudget.makeMemory()
    return [budget, budget] as const
  })
)
