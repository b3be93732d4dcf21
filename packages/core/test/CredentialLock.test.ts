import * as CredentialLock from "@lockstep/core/CredentialLock"
import { credentialLockContract } from "@lockstep/testkit/contract/CredentialLockContract"

credentialLockContract("memory", () => CredentialLock.layerMemory)
