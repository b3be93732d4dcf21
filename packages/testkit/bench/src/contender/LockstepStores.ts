/**
 * Lockstep over the stores that keep no token in the clear.
 *
 * @since 0.1.0
 */
import * as Credential from "@lockstep/core/Credential"
import * as RefreshCoordinator from "@lockstep/core/RefreshCoordinator"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import { Change, WritableStore } from "@lockstep/core/WritableStore"
import { Keyring } from "@lockstep/node/keyring/Keyring"
import * as KeyringHome from "@lockstep/node/keyring/KeyringHome"
import * as KeyringTimeout from "@lockstep/node/keyring/KeyringTimeout"
import * as NativeKeyring from "@lockstep/node/keyring/NativeKeyring"
import * as SecretsHome from "@lockstep/node/secrets/SecretsHome"
import * as OAuthTokenEndpoint from "@lockstep/oauth/OAuthTokenEndpoint"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Contender, Login } from "../Contender.js"
import { TENANT } from "../Contender.js"
import { PeerUnavailable } from "../Peer.js"
import * as Lockstep from "./Lockstep.js"

const tenant = TenantId.make(TENANT)
const HOUR = 3_600

/** A login that has expired, as the file store's is seeded. */
const expired = (login: Login): Credential.Credential => {
  const now = Math.floor(Date.now() / 1_000)
  return Credential.Credential.make({
    tokenEndpoint: Option.some(login.token_endpoint),
    clientId: Option.some(login.client_id),
    accessToken: Option.some(Redacted.make(login.access_token)),
    refreshToken: Option.some(Redacted.make(login.refresh_token)),
    tokenType: Option.some("Bearer"),
    obtainedAt: Option.some(now - 2 * HOUR),
    expiresAt: Option.some(now - HOUR),
    generation: 1
  })
}

/**
 * The variable that names the program which asks the keyring.
 *
 * @since 0.1.0
 * @category constants
 */
export const HELPER = "LOCKSTEP_BENCH_KEYRING"

const helper = process.env[HELPER]

const keyringOfSession = helper === undefined ? NativeKeyring.layer : Layer.scoped(
  Keyring,
  NativeKeyring.make({ timeout: KeyringTimeout.defaultTimeout, command: [process.execPath, helper] })
)

const policy = Layer.orDie(
  RefreshPolicy.layer(RefreshPolicy.defaultsFor(KeyringTimeout.limits(KeyringTimeout.defaultTimeout)))
)

const homes = {
  secrets: (directory: string) =>
    SecretsHome.layer({ directory }).pipe(
      Layer.provide(Layer.setConfigProvider(
        ConfigProvider.fromMap(new Map([["LOCKSTEP_SECRETS_KEY_FILE", join(directory, "key")]]))
      ))
    ),
  keyring: (directory: string) => KeyringHome.layer({ directory })
}

/** Without a session there is no keyring to ask. */
const isThere = (kind: keyof typeof homes): boolean =>
  kind !== "keyring" || process.env["DBUS_SESSION_BUS_ADDRESS"] !== undefined

const make = (kind: keyof typeof homes, options: Pick<Contender, "label" | "file">): Contender => {
  const home = (directory: string) =>
    homes[kind](directory).pipe(
      Layer.provide(keyringOfSession),
      Layer.provideMerge(policy)
    )
  return {
    ...options,
    name: `lockstep-${kind}`,
    seed: (directory, login) =>
      Effect.gen(function*() {
        if (!isThere(kind)) return
        mkdirSync(directory, { recursive: true, mode: 0o700 })
        writeFileSync(join(directory, "key"), `${randomBytes(32).toString("base64")}\n`, { mode: 0o600 })
        const store = yield* WritableStore
        yield* store.modify(tenant, () => Change.Put({ credential: expired(login), value: () => undefined }))
      }).pipe(Effect.provide(home(directory)), Effect.orDie),
    open: (directory) =>
      isThere(kind) ?
        Effect.gen(function*() {
          const context = yield* Layer.build(RefreshCoordinator.layer.pipe(
            Layer.provide(Layer.provide(OAuthTokenEndpoint.layerBuiltIn, Lockstep.fetch)),
            Layer.provideMerge(home(directory))
          ))
          // As a process that runs has done while the token was fresh: what asks the keyring has been started. One that could
          // not read takes part all the same.
          yield* Effect.ignore(Context.get(context, WritableStore).get(tenant))
          return {
            obtain: Effect.map(
              Context.get(context, RefreshCoordinator.RefreshCoordinator).accessToken(tenant),
              ({ token }) => Redacted.value(token)
            )
          }
        }) :
        Effect.fail(
          new PeerUnavailable({
            message: "this session has no keyring: run it inside dbus-run-session, with an unlocked one"
          })
        )
  }
}

/**
 * One coordinator per process, over an encrypted file with its key in another.
 *
 * @since 0.1.0
 * @category constructors
 */
export const secrets = make("secrets", { label: "Lockstep, encrypted file", file: "auth.json.sealed" })

/**
 * One coordinator per process, over the keyring of the session. The write that counts is that of the index.
 *
 * @since 0.1.0
 * @category constructors
 */
export const keyring = make("keyring", { label: "Lockstep, keyring of the session", file: "auth.json.keyring" })
