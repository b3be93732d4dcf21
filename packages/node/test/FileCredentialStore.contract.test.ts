import { credentialStoreContract } from "@lockstep/testkit/contract/CredentialStoreContract"
import { twoViews } from "@lockstep/testkit/homes/FileHomes"
import * as Effect from "effect/Effect"

credentialStoreContract("auth.json", Effect.map(twoViews, ([a, b]) => [a.store, b.store] as const))
