import * as WritableStore from "@lockstep/core/WritableStore"
import { credentialStoreContract } from "@lockstep/testkit/contract/CredentialStoreContract"
import * as Effect from "effect/Effect"

credentialStoreContract("memory", Effect.map(WritableStore.makeMemory(), (store) => [store, store] as const))
