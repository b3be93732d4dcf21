import * as RefreshJournal from "@lockstep/core/RefreshJournal"
import { refreshJournalContract } from "@lockstep/testkit/contract/RefreshJournalContract"
import * as Effect from "effect/Effect"

refreshJournalContract("memory", Effect.map(RefreshJournal.makeMemory(), (journal) => [journal, journal] as const))
