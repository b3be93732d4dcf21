import * as CredentialStore from "@lockstep/core/CredentialStore"
import { credentialStoreContract } from "@lockstep/testkit/contract/CredentialStoreContract"
import * as Effect from "effect/Effect"

credentialStoreContract("memory", Effect.map(CredentialStore.makeMemory(), (store) => [store, store] as const))
