/**
 * Logs a person in for a program. It is loaded by the first login alone.
 *
 * @since 0.1.0
 */
import { LOCAL_USER } from "@lockstep/core/PendingLogins"
import { Browser } from "@lockstep/node/login/Browser"
import * as Logins from "@lockstep/oauth/Login"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Command from "../commands/Login.js"
import * as Advice from "../errors/Advice.js"
import * as Beginning from "../login/Beginning.js"
import * as ServerWishes from "../login/ServerWishes.js"
import * as Quiet from "../terminal/Quiet.js"
import * as LoginWiring from "../wiring/LoginWiring.js"
import type { Invitation, LoggedIn, LoginOptions } from "./Lockstep.js"
import { LockstepError } from "./LockstepError.js"
import { accountOf, dateOf } from "./tokens.js"
import { called, Passed, translated } from "./translate.js"

const invitationOf = (invitation: Logins.Invitation): Invitation =>
  invitation._tag === "Device"
    ? {
      kind: "device",
      url: invitation.verificationUri,
      userCode: invitation.userCode,
      urlWithCode: Option.getOrUndefined(invitation.verificationUriComplete),
      expiresAt: new Date(invitation.expiresAt)
    }
    : { kind: "browser", url: invitation.url, expiresAt: new Date(invitation.expiresAt) }

const addressOf = (invitation: Invitation): string =>
  invitation.kind === "device" ? invitation.urlWithCode ?? invitation.url : invitation.url

const noBrowser = (beginning: Advice.Words) =>
  new LockstepError({
    tag: "LoginFailed",
    reason: "Denied",
    message: "no browser could be opened on this machine",
    advice: `log in with ${Advice.command(...beginning)}, or show the address yourself (\`onInvitation\`)`
  })

/** What leads to the person fails beside the login, which would wait for the person all the same: `ended` ends it. */
const person = (
  options: LoginOptions,
  { beginning, ended, open }: {
    readonly beginning: Advice.Words
    readonly ended: Deferred.Deferred<never, Passed>
    readonly open: Browser["Type"]["open"]
  }
): Logins.Person => {
  const { onInvitation, paste } = options
  const orEnd = <A>(self: Effect.Effect<A, Passed>): Effect.Effect<A> =>
    Effect.catchAll(self, (error) => Effect.zipRight(Deferred.fail(ended, error), Effect.never))
  return {
    invite: (told) => {
      const invitation = invitationOf(told)
      return orEnd(
        onInvitation === undefined
          ? Effect.flatMap(
            open(addressOf(invitation)),
            (isOpen) => isOpen ? Effect.void : Effect.fail(new Passed(noBrowser(beginning)))
          )
          : called(() => onInvitation(invitation))
      )
    },
    pasted: paste === undefined ? Effect.never : orEnd(Effect.map(called(paste), Redacted.make))
  }
}

const typedOf = (target: string, options: LoginOptions): Beginning.Typed => ({
  ...Beginning.untyped,
  target: Option.some(target),
  tenant: Option.fromNullable(options.tenant),
  profile: Option.fromNullable(options.profile),
  issuer: Option.fromNullable(options.issuer),
  clientId: Option.fromNullable(options.clientId),
  clientSecretFrom: options.clientSecret === undefined ? Option.none() : Option.some("-"),
  scopes: options.scopes ?? [],
  resource: Option.fromNullable(options.resource),
  device: options.device === true,
  replace: options.replace === true
})

/**
 * Logs a person in.
 *
 * @since 0.1.0
 * @category combinators
 */
export const run = (
  target: string,
  options: LoginOptions,
  { globals, timeout }: { readonly globals: Advice.Words; readonly timeout: Option.Option<Duration.Duration> }
) => {
  const typed = typedOf(target, options)
  return Effect.gen(function*() {
    const login = yield* Logins.Login
    const browser = yield* Browser
    const clientSecret = Option.map(Option.fromNullable(options.clientSecret), Redacted.make)
    const { found, target: asked } = yield* Command.resolve({ ...typed, clientSecret })
    const request: Logins.LoginRequest = {
      ...yield* ServerWishes.complete(asked, typed, typed.clientId),
      user: LOCAL_USER,
      ...yield* Command.replacing(asked.tenant, found, typed.replace),
      port: Option.fromNullable(options.port),
      timeout
    }
    yield* Command.terms(request, { acceptTerms: options.acceptTerms === true })
    const ended = yield* Deferred.make<never, Passed>()
    const one = person(options, { open: browser.open, beginning: Beginning.ofOptions(typed), ended })
    const flow = Command.methodOf(asked.vendor, typed) === "device" ? login.device : login.browser
    // Masked: interrupted between making its two fibers and starting them, a race waits for ever.
    const result = yield* Effect.uninterruptibleMask((restore) =>
      Effect.raceFirst(restore(flow(request, one)), restore(Deferred.await(ended)))
    )
    const { credential } = result.stored
    const logged: LoggedIn = {
      tenant: result.tenant,
      account: accountOf(credential.account),
      replaced: Option.isSome(result.replaced),
      scope: Option.getOrUndefined(credential.scope),
      expiresAt: dateOf(credential.expiresAt),
      generation: credential.generation
    }
    return logged
  }).pipe(
    Effect.provide(Layer.merge(LoginWiring.layer, Quiet.layer)),
    translated(globals, Option.some(Beginning.ofOptions(typed)))
  )
}
