/**
 * `AuthStorage` of pi: one file of all logins under `proper-lockfile`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Contender } from "../Contender.js"
import { NoToken, TENANT } from "../Contender.js"
import * as Peer from "../Peer.js"

interface Credentials {
  readonly access: string
  readonly refresh: string
  /** Milliseconds since the epoch. */
  readonly expires: number
  readonly endpoint: string
  readonly client: string
}

/**
 * Answers with the token of a login, or with nothing when it could not be refreshed.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuthStorage {
  readonly getApiKey: (id: string) => Promise<string | undefined>
}

interface Pi {
  readonly AuthStorage: { readonly create: (path: string) => AuthStorage }
}

interface PiOAuth {
  readonly registerOAuthProvider: (provider: {
    readonly id: string
    readonly name: string
    readonly login: () => Promise<Credentials>
    readonly refreshToken: (credentials: Credentials) => Promise<Credentials>
    readonly getApiKey: (credentials: Credentials) => string
  }) => void
}

const refreshToken = async (credentials: Credentials): Promise<Credentials> => {
  const response = await fetch(credentials.endpoint, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "refresh_token",
      client_id: credentials.client,
      refresh_token: credentials.refresh
    })
  })
  if (!response.ok) throw new Error(`HTTP ${response.status}`)
  const answer = await response.json() as {
    readonly access_token: string
    readonly refresh_token: string
    readonly expires_in: number
  }
  return {
    ...credentials,
    access: answer.access_token,
    refresh: answer.refresh_token,
    expires: Date.now() + answer.expires_in * 1000
  }
}

const FILE = "auth.json"

/**
 * Opens the storage, which reads the file once.
 *
 * @since 0.1.0
 * @category constructors
 */
export const open = (home: string): Effect.Effect<AuthStorage, Peer.PeerUnavailable> =>
  Effect.gen(function*() {
    const { AuthStorage } = yield* Peer.load<Pi>("@earendil-works/pi-coding-agent/dist/core/auth-storage.js")
    const { registerOAuthProvider } = yield* Peer.load<PiOAuth>("@earendil-works/pi-ai/dist/oauth.js")
    registerOAuthProvider({
      id: TENANT,
      name: TENANT,
      login: () => Promise.reject(new Error("no login here")),
      refreshToken,
      getApiKey: ({ access }) => access
    })
    return AuthStorage.create(join(home, FILE))
  })

/**
 * One storage per process, opened before the token is needed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const contender: Contender = {
  name: "pi",
  label: `${Peer.version("@earendil-works/pi-coding-agent")} AuthStorage`,
  file: FILE,
  seed: (home, login) =>
    Effect.sync(() => {
      const credentials: Credentials = {
        access: login.access_token,
        refresh: login.refresh_token,
        expires: (login.expires_at ?? 0) * 1000,
        endpoint: login.token_endpoint,
        client: login.client_id
      }
      writeFileSync(join(home, FILE), JSON.stringify({ [TENANT]: { type: "oauth", ...credentials } }), { mode: 0o600 })
    }),
  open: (home) =>
    Effect.map(open(home), (storage) => ({
      obtain: Effect.filterOrFail(
        Effect.tryPromise(() => storage.getApiKey(TENANT)),
        (token) => token !== undefined,
        () => new NoToken({ message: "it answers no token" })
      )
    }))
}
