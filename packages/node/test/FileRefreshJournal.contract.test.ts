import { refreshJournalContract } from "@lockstep/testkit/contract/RefreshJournalContract"
import { twoViews } from "@lockstep/testkit/homes/FileHomes"
import * as Effect from "effect/Effect"

refreshJournalContract("files", Effect.map(twoViews, ([a, b]) => [a.journal, b.journal] as const))
