/**
 * Who takes part.
 *
 * @since 0.1.0
 */
import type { Contender } from "./Contender.js"
import * as AnthropicSdk from "./contender/AnthropicSdk.js"
import * as Lockstep from "./contender/Lockstep.js"
import * as LockstepStores from "./contender/LockstepStores.js"
import * as McpSdk from "./contender/McpSdk.js"
import * as Pi from "./contender/Pi.js"
import * as CredentialFile from "./CredentialFile.js"
import type { Mutex } from "./Mutex.js"
import * as CrossPlatformLock from "./mutex/CrossPlatformLock.js"
import * as LockstepWait from "./mutex/LockstepWait.js"
import * as PolledKernelLock from "./mutex/PolledKernelLock.js"
import * as ProperLockfile from "./mutex/ProperLockfile.js"
import type { Reader } from "./Reader.js"
import * as LockstepReaders from "./reader/LockstepReaders.js"
import * as PeerReaders from "./reader/PeerReaders.js"

const polled = [PolledKernelLock.make(50), PolledKernelLock.make(100)]
const peers = [ProperLockfile.mutex, CrossPlatformLock.mutex]

/**
 * Locks whose hand-off is measured.
 *
 * @since 0.1.0
 * @category constants
 */
export const mutexes: ReadonlyArray<Mutex> = [LockstepWait.mutex, ...polled, ...peers]

/**
 * Ways to keep a login fresh.
 *
 * @since 0.1.0
 * @category constants
 */
export const contenders: ReadonlyArray<Contender> = [
  Lockstep.contender,
  LockstepStores.secrets,
  LockstepStores.keyring,
  ...polled.map(CredentialFile.locked),
  ...peers.map(CredentialFile.locked),
  Pi.contender,
  McpSdk.contender,
  AnthropicSdk.contender,
  CredentialFile.unlocked({ name: "naive", label: "a file without a lock" })
]

/**
 * Ways to a token that is good.
 *
 * @since 0.1.0
 * @category constants
 */
export const readers: ReadonlyArray<Reader> = [
  LockstepReaders.direct,
  LockstepReaders.promised,
  LockstepReaders.stored,
  LockstepReaders.cold,
  PeerReaders.anthropicCache,
  PeerReaders.pi,
  PeerReaders.file,
  PeerReaders.anthropicFile,
  ...PeerReaders.underLock
]

/**
 * Finds one by its name. Both sides of a call have the same list.
 *
 * @since 0.1.0
 * @category getters
 */
export const named = <A extends { readonly name: string }>(all: ReadonlyArray<A>, name: string): A => {
  const found = all.find((one) => one.name === name)
  if (found === undefined) throw new Error(`nothing is called ${name}`)
  return found
}
