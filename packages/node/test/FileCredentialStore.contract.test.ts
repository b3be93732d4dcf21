import { credentialStoreContract } from "@lockstep/testkit/contract/CredentialStoreContract"
import * as Effect from "effect/Effect"
import { twoViews } from "./support/homes.js"

credentialStoreContract("auth.json", Effect.map(twoViews, ([a, b]) => [a.store, b.store] as const))
