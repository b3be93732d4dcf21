import { pendingLoginsContract } from "@lockstep/testkit/contract/PendingLoginsContract"
import { twoViews } from "@lockstep/testkit/homes/FileHomes"
import * as Effect from "effect/Effect"

pendingLoginsContract("auth.json", Effect.map(twoViews, ([a, b]) => [a.pending, b.pending] as const))
