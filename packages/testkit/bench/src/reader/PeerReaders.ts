/**
 * The peers' ways to a token that is good.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { mkdirSync } from "node:fs"
import { TENANT } from "../Contender.js"
import * as AnthropicSdk from "../contender/AnthropicSdk.js"
import * as Pi from "../contender/Pi.js"
import * as CredentialFile from "../CredentialFile.js"
import type { Mutex } from "../Mutex.js"
import * as CrossPlatformLock from "../mutex/CrossPlatformLock.js"
import * as ProperLockfile from "../mutex/ProperLockfile.js"
import * as Peer from "../Peer.js"
import type { Ask, Reader } from "../Reader.js"
import { login } from "../Reader.js"

const seed = (home: string): Effect.Effect<void> =>
  Effect.zipRight(Effect.sync(() => mkdirSync(home, { recursive: true })), CredentialFile.seed(home, login(TENANT)))

const awaited = (once: () => Promise<unknown>): Ask => (times) =>
  Effect.tryPromise(async () => {
    for (let count = 0; count < times; count++) await once()
  })

interface TokenCache {
  readonly TokenCache: new(provider: AnthropicSdk.Provider) => { readonly getToken: () => Promise<string> }
}

/**
 * In memory.
 *
 * @since 0.1.0
 * @category constructors
 */
export const anthropicCache: Reader = {
  name: "anthropic-cache",
  label: `${Peer.version("@anthropic-ai/sdk")} TokenCache`,
  open: (home) =>
    Effect.gen(function*() {
      yield* seed(home)
      const { TokenCache } = yield* Peer.load<TokenCache>("@anthropic-ai/sdk/lib/credentials/token-cache.mjs")
      const cache = new TokenCache(yield* AnthropicSdk.open(home))
      return awaited(() => cache.getToken())
    })
}

/**
 * The file at every call.
 *
 * @since 0.1.0
 * @category constructors
 */
export const anthropicFile: Reader = {
  name: "anthropic-file",
  label: `${Peer.version("@anthropic-ai/sdk")} userOAuthProvider`,
  open: (home) =>
    Effect.gen(function*() {
      yield* seed(home)
      return awaited(yield* AnthropicSdk.open(home))
    })
}

/**
 * In memory, without looking whether the file has changed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const pi: Reader = {
  name: "pi",
  label: `${Peer.version("@earendil-works/pi-coding-agent")} getApiKey`,
  open: (home) =>
    Effect.gen(function*() {
      yield* seed(home)
      yield* Pi.contender.seed(home, login(TENANT))
      const storage = yield* Pi.open(home)
      return awaited(() => storage.getApiKey(TENANT))
    })
}

/**
 * Read and parse.
 *
 * @since 0.1.0
 * @category constructors
 */
export const file: Reader = {
  name: "file",
  label: "readFileSync and JSON.parse",
  open: (home) =>
    Effect.as(seed(home), (times) =>
      Effect.sync(() => {
        for (let count = 0; count < times; count++) CredentialFile.read(home)
      }))
}

const locked = (mutex: Mutex): Reader => ({
  name: `${mutex.name}-read`,
  label: `${mutex.label.split(",")[0]}: lock, read, unlock`,
  open: (home) =>
    Effect.gen(function*() {
      yield* seed(home)
      const acquire = yield* mutex.open(home)
      const once = Effect.scoped(Effect.zipRight(acquire, Effect.sync(() => CredentialFile.read(home))))
      return (times) => Effect.replicateEffect(once, times, { discard: true })
    })
})

/**
 * Under a lock, as tools do whose readers take the writer's lock.
 *
 * @since 0.1.0
 * @category constructors
 */
export const underLock: ReadonlyArray<Reader> = [locked(CrossPlatformLock.mutex), locked(ProperLockfile.mutex)]
