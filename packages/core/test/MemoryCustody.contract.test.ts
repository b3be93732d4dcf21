import * as MemoryCustody from "@lockstep/core/MemoryCustody"
import { custodyContract } from "@lockstep/testkit/contract/CustodyContract"
import * as Effect from "effect/Effect"

custodyContract(
  "memory",
  Effect.map(MemoryCustody.make, ({ custody, overtake }) => ({
    custody,
    other: custody,
    overtake: (tenant) => overtake(tenant, "lost"),
    overtaken: "lost"
  }))
)
