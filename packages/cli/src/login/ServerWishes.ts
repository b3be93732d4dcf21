/**
 * What a person says of a server that wants it otherwise than most: how its client is registered, where its answers go, and
 * what its authorization request holds. What holds for the next login as well is read from the record, unless it is said
 * anew.
 *
 * @since 0.1.0
 */
import type { Credential } from "@lockstep/core/Credential"
import { CredentialStore } from "@lockstep/core/CredentialStore"
import type { CredentialStoreError } from "@lockstep/core/Errors"
import * as Issuer from "@lockstep/core/Issuer"
import type { LoginRequest } from "@lockstep/oauth/Login"
import type { OAuthVendor } from "@lockstep/oauth/OAuthVendor"
import { OMIT } from "@lockstep/oauth/ResourceIndicator"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { UsageError } from "../line/UsageError.js"

/**
 * The options.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerWishes {
  readonly newClient: boolean
  readonly clientName: Option.Option<string>
  readonly callbackHost: Option.Option<"localhost" | "127.0.0.1">
  /** `NAME=VALUE`. */
  readonly authorizeParams: ReadonlyArray<string>
  readonly omitResource: boolean
  readonly mcpVersion: Option.Option<"2025-03-26">
}

/**
 * The part of a login request that they become.
 *
 * @since 0.1.0
 * @category models
 */
export type Wanted = Pick<
  LoginRequest,
  "newClient" | "clientName" | "authorizeParameters" | "omitResource" | "mcpVersion" | "vendor"
>

const usage = (message: string, advice: string) => new UsageError({ reason: "Arguments", message, advice })

/** What binds an answer to its attempt is not a person's to say. */
const OURS: ReadonlySet<string> = new Set([
  "response_type",
  "response_mode",
  "client_id",
  "client_secret",
  "redirect_uri",
  "scope",
  "resource",
  "state",
  "nonce",
  "code_challenge",
  "code_challenge_method",
  "request",
  "request_uri"
])

const parameters = (texts: ReadonlyArray<string>): Effect.Effect<Readonly<Record<string, string>>, UsageError> =>
  Effect.map(
    Effect.forEach(texts, (text) => {
      const at = text.indexOf("=")
      const name = text.slice(0, at)
      if (at < 1 || !/^[\x21-\x7e]+$/.test(name)) {
        return usage("--authorize-param: NAME=VALUE is expected", "as in --authorize-param access_type=offline")
      }
      return OURS.has(name)
        ? usage(
          `--authorize-param: ${name} is set by the login itself`,
          "there is an option for what may be chosen of it"
        )
        : Effect.succeed([name, text.slice(at + 1)] as const)
    }),
    Object.fromEntries
  )

const recorded = (target: Pick<LoginRequest, "tenant" | "issuer">) =>
  Effect.gen(function*() {
    const store = yield* CredentialStore
    const record: Option.Option<Credential> = Option.map(
      yield* store.get(target.tenant),
      ({ credential }) => credential
    )
    return Option.filter(record, ({ issuer }) =>
      Option.match(target.issuer, {
        onNone: () => true,
        onSome: (text) => Option.exists(issuer, (one) => Issuer.isSame(one, text))
      }))
  })

const withHost = (vendor: OAuthVendor, host: ServerWishes["callbackHost"]): OAuthVendor =>
  Option.match(host, {
    onNone: () => vendor,
    onSome: (name) => ({ ...vendor, redirect: { ...vendor.redirect, host: name } })
  })

const isOwnOrigin = ({ issuer, resource }: Pick<LoginRequest, "issuer" | "resource">): boolean =>
  Option.exists(
    Option.all([issuer, Option.filter(resource, (text) => URL.canParse(text))]),
    ([one, text]) => Issuer.isSame(one, new URL(text).origin)
  )

/**
 * Completes a login request.
 *
 * @since 0.1.0
 * @category constructors
 */
export const complete = <Target extends Pick<LoginRequest, "tenant" | "issuer" | "resource" | "vendor">>(
  target: Target,
  wishes: ServerWishes,
  clientId: Option.Option<string>
): Effect.Effect<Target & Wanted, UsageError | CredentialStoreError, CredentialStore> =>
  Effect.gen(function*() {
    if ((wishes.newClient || Option.isSome(wishes.clientName)) && Option.isSome(clientId)) {
      return yield* usage(
        "--new-client and --client-name register a client; --client-id names one",
        "say one of them"
      )
    }
    if (Option.isSome(wishes.mcpVersion) && !(target.vendor.strict && isOwnOrigin(target))) {
      return yield* usage(
        "--mcp-version: only a server of MCP that is its own authorization server can be one of that version",
        "leave --mcp-version out"
      )
    }
    const record = yield* recorded(target)
    const said = yield* parameters(wishes.authorizeParams)
    const kept = Option.match(Option.flatMap(record, (one) => one.authorizeParameters), {
      onNone: () => ({}),
      onSome: (query): Record<string, string> => Object.fromEntries(new URLSearchParams(query))
    })
    return {
      ...target,
      vendor: withHost(target.vendor, wishes.callbackHost),
      newClient: wishes.newClient,
      ...Option.match(wishes.clientName, { onNone: () => ({}), onSome: (clientName) => ({ clientName }) }),
      authorizeParameters: wishes.authorizeParams.length > 0 ? said : kept,
      omitResource: wishes.omitResource || Option.exists(record, (one) => Option.contains(one.resourceParameter, OMIT)),
      ...Option.match(wishes.mcpVersion, { onNone: () => ({}), onSome: (mcpVersion) => ({ mcpVersion }) })
    }
  })
