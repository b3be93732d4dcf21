import { credentialStoreContract } from "@lockstep/testkit/contract/CredentialStoreContract"
import { refreshJournalContract } from "@lockstep/testkit/contract/RefreshJournalContract"
import { tool } from "@lockstep/tools/adapters/Hermes"
import * as Effect from "effect/Effect"
import { twoViews } from "./support/toolHomes.js"

const views = twoViews(tool, "auth.json")

credentialStoreContract("hermes", Effect.map(views, ([a, b]) => [a.store, b.store] as const))
refreshJournalContract("beside hermes's file", Effect.map(views, ([a, b]) => [a.journal, b.journal] as const))
