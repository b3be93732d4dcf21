import { pendingLoginsContract } from "@lockstep/testkit/contract/PendingLoginsContract"
import * as Effect from "effect/Effect"
import { twoViews } from "./support/homes.js"

pendingLoginsContract("auth.json", Effect.map(twoViews, ([a, b]) => [a.pending, b.pending] as const))
