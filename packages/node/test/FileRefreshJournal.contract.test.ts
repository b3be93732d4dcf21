import { refreshJournalContract } from "@lockstep/testkit/contract/RefreshJournalContract"
import * as Effect from "effect/Effect"
import { twoViews } from "./support/homes.js"

refreshJournalContract("files", Effect.map(twoViews, ([a, b]) => [a.journal, b.journal] as const))
