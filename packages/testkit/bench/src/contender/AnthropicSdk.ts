/**
 * `userOAuthProvider` of the Anthropic SDK: an atomic file, and no lock around the refresh.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { join } from "node:path"
import type { Contender } from "../Contender.js"
import * as CredentialFile from "../CredentialFile.js"
import * as Peer from "../Peer.js"

/**
 * Answers with the token and when it runs out, in seconds since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export type Provider = () => Promise<{ readonly token: string; readonly expiresAt: number | null }>

interface UserOAuth {
  readonly userOAuthProvider: (config: {
    readonly credentialsPath: string
    readonly clientId: string
    readonly baseURL: string
    readonly fetch: typeof fetch
  }) => Provider
}

/**
 * The SDK's provider over a credential file.
 *
 * @since 0.1.0
 * @category constructors
 */
export const open = (home: string): Effect.Effect<Provider, Peer.PeerUnavailable> =>
  Effect.map(Peer.load<UserOAuth>("@anthropic-ai/sdk/lib/credentials/user-oauth.mjs"), ({ userOAuthProvider }) => {
    const { client_id, token_endpoint } = CredentialFile.read(home)
    return userOAuthProvider({
      credentialsPath: join(home, CredentialFile.FILE),
      clientId: client_id,
      baseURL: new URL(token_endpoint).origin,
      // Its path is fixed to the vendor's; the server of this benchmark has another.
      fetch: (_, init) => fetch(token_endpoint, init)
    })
  })

/**
 * One provider per process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const contender: Contender = {
  name: "anthropic-sdk",
  label: `${Peer.version("@anthropic-ai/sdk")} userOAuthProvider`,
  file: CredentialFile.FILE,
  seed: CredentialFile.seed,
  open: (home) =>
    Effect.map(open(home), (provider) => ({
      obtain: Effect.map(Effect.tryPromise(() => provider()), ({ token }) => token)
    }))
}
