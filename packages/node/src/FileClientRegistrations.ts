/**
 * Registrations beside the credentials, in one `auth.json`: every process of this home logs in as the same client of a
 * server.
 *
 * @since 0.1.0
 */
import { ClientRegistrations, RegisteredClient, stands } from "@lockstep/core/ClientRegistrations"
import type { RefreshPolicy } from "@lockstep/core/RefreshPolicy"
import * as Trace from "@lockstep/core/Trace"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as AuthFile from "./AuthFile.js"
import * as ClientsJson from "./ClientsJson.js"
import type { Home } from "./Home.js"
import type { FileLock } from "./locks/FileLock.js"

/**
 * Makes the registrations of a home.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<ClientRegistrations["Type"], never, AuthFile.AuthFile> = Effect.map(
  AuthFile.AuthFile,
  (file) =>
    ClientRegistrations.of({
      get: (issuer) => Effect.map(file.read, (document) => ClientsJson.get(document, issuer)),
      list: Effect.map(file.read, ClientsJson.list),
      put: (issuer, client) =>
        Trace.withSpan(
          file.modify((document, now) =>
            Either.right({ text: Option.some(ClientsJson.put(document, issuer, client, now)), value: undefined })
          ),
          "lockstep.clients.put"
        ),
      putIfAbsent: (issuer, client, instead) =>
        Trace.withSpan(
          file.modify((document, now) => {
            const kept = stands(ClientsJson.get(document, issuer), { instead, now })
            return Either.right({
              text: Option.isSome(kept)
                ? Option.none()
                : Option.some(ClientsJson.put(document, issuer, client, now)),
              value: Option.getOrElse(kept, () => client)
            })
          }),
          "lockstep.clients.put"
        ),
      end: (issuer, clientId) =>
        Trace.withSpan(
          file.modify((document, now) => {
            const found = Option.filter(ClientsJson.get(document, issuer), (client) => client.clientId === clientId)
            const ended = Option.filter(found, (client) => !client.ended)
            return Either.right({
              text: Option.map(
                ended,
                (client) => ClientsJson.put(document, issuer, RegisteredClient.make({ ...client, ended: true }), now)
              ),
              value: Option.isSome(found)
            })
          }),
          "lockstep.clients.end"
        )
    })
)

/**
 * The registrations in `auth.json` of a home, however that file is sealed.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerOfAuthFile: Layer.Layer<ClientRegistrations, never, AuthFile.AuthFile> = Layer.effect(
  ClientRegistrations,
  make
)

/**
 * The registrations in the plain `auth.json` of a home.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<ClientRegistrations, never, Home | FileLock | RefreshPolicy> = Layer.provide(
  layerOfAuthFile,
  AuthFile.layer
)
